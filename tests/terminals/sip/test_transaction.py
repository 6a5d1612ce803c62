from hypothesis import given
from hypothesis import strategies as st

from terminals.sip.transaction import ClientTransaction, TransactionAction, TransactionState


def awake(transaction, until=100.0):
    """What it asks for while nothing comes in: (when, what)."""
    asked = []
    while transaction.due is not None and transaction.due <= until:
        when = transaction.due
        asked.append((when, transaction.wake(when)))
    return asked


def times(asked, what):
    return [when for when, done in asked if done is what]


def test_over_udp_it_is_repeated_at_growing_intervals_and_given_up_after_32_seconds():
    asked = awake(ClientTransaction(0.0, reliable=False))

    assert times(asked, TransactionAction.SEND_AGAIN) == [0.5, 1.5, 3.5, 7.5, 11.5, 15.5, 19.5, 23.5, 27.5, 31.5]
    assert times(asked, TransactionAction.GIVE_UP) == [32.0]


def test_over_a_connection_it_is_never_repeated_and_given_up_after_32_seconds():
    transaction = ClientTransaction(7.0, reliable=True)

    assert awake(transaction) == [(39.0, TransactionAction.GIVE_UP)]
    assert transaction.state is TransactionState.TERMINATED


def test_after_a_provisional_answer_it_is_repeated_every_4_seconds():
    transaction = ClientTransaction(0.0, reliable=False)
    assert transaction.receive(100, 0.1) is TransactionAction.NOTHING
    asked = awake(transaction)

    assert times(asked, TransactionAction.SEND_AGAIN) == [0.5, 4.5, 8.5, 12.5, 16.5, 20.5, 24.5, 28.5]
    assert times(asked, TransactionAction.GIVE_UP) == [32.0]


def test_a_final_answer_is_taken_once_and_its_repetitions_absorbed_for_5_seconds():
    transaction = ClientTransaction(0.0, reliable=False)
    assert transaction.receive(200, 0.2) is TransactionAction.TAKE_RESPONSE

    assert transaction.state is TransactionState.COMPLETED
    assert transaction.receive(200, 0.3) is TransactionAction.NOTHING
    assert awake(transaction) == [(5.2, TransactionAction.NOTHING)]
    assert transaction.state is TransactionState.TERMINATED


def test_over_a_connection_nothing_is_left_to_absorb():
    transaction = ClientTransaction(0.0, reliable=True)

    assert transaction.receive(404, 0.2) is TransactionAction.TAKE_RESPONSE
    assert transaction.state is TransactionState.TERMINATED
    assert transaction.due is None


def test_it_does_nothing_before_it_is_due():
    transaction = ClientTransaction(0.0, reliable=False)

    assert transaction.wake(0.499) is TransactionAction.NOTHING
    assert transaction.due == 0.5


def test_one_that_has_ended_takes_no_answer():
    transaction = ClientTransaction(0.0, reliable=False)
    transaction.end()

    assert transaction.receive(200, 0.1) is TransactionAction.NOTHING
    assert transaction.wake(50.0) is TransactionAction.NOTHING


@given(
    st.booleans(),
    st.lists(st.tuples(st.sampled_from(["wake", "receive"]), st.floats(0, 10), st.integers(100, 699)), max_size=40),
)
def test_whatever_happens_it_ends_once(reliable, events):
    now, transaction, ends = 0.0, ClientTransaction(0.0, reliable=reliable), []
    for event, after, status in events:
        now += after
        done = transaction.wake(now) if event == "wake" else transaction.receive(status, now)
        assert not (ends and done is not TransactionAction.NOTHING)
        assert not (reliable and done is TransactionAction.SEND_AGAIN)
        if done in (TransactionAction.GIVE_UP, TransactionAction.TAKE_RESPONSE):
            ends.append(done)
    assert (transaction.due is None) == (transaction.state is TransactionState.TERMINATED)
