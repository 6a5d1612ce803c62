"""What an administrator would miss after an upgrade, one line for each row, in words that do not depend on how it is stored.

A later version that stores something elsewhere reads it from there; the lines of the states that were kept before stay as they
are. Guides and sources of types are left out, because a version may write better ones.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from typing import Any

from django.db.models import Model

from certificates.models import Generation, Settings, Switch, Transition
from pbxcerts.system.models import EventMessage, General, User
from terminals.by_hand.models import Link
from terminals.directory.models import ImportFile
from terminals.evidence.models import Discovered
from terminals.models import DeliverySettings, Installation, Rollout, Terminal, TerminalType
from terminals.web.models import BootstrapWindow

Rows = tuple[str, type[Model], str]
"""What it is called here, where it stands, and what is told of it."""

WHAT: list[Rows] = [
    (
        "System / General",
        General,
        "site_name system_id time_zone ntp_enabled ntp_servers fqdn dns_names ip_addresses on_this_machine "
        "tls_addresses own_names own_addresses language redirect_to_https",
    ),
    (
        "certificates' settings",
        Settings,
        "interval_days generation_time overlap_days handover_counts key_type addresses_as_dns schedule_saved_at",
    ),
    (
        "delivery",
        DeliverySettings,
        "proxy_host proxy_port proxy_transport sip_domain account_user window_hours waves at_once "
        "second_wave_percent third_wave_percent stop_percent stop_among_first",
    ),
    ("user", User, "username role is_active date_joined"),
    (
        "generation",
        Generation,
        "number state replaces instead_of trigger by reason because at_once restart_now clock_override ordered_at "
        "made_at not_before planned end deadline interval_days overlap_days key_type addresses_as_dns dns_names "
        "ip_addresses clock_state clock_server failure failed_at took_over_from activated_at leaves_bundle_at "
        "held_because discarded_at withdrawn_at key_deleted_at",
    ),
    ("change", Transition, "generation from_state to_state at by why reason"),
    ("switch", Switch, "to away_from why by reason ordered_at switched_at finished_at outcome"),
    (
        "type",
        TerminalType,
        "name manufacturer method model event way wants trust_format size_limit holds_only_one own_lines",
    ),
    (
        "terminal",
        Terminal,
        "number name type__name mac address transport way sip_user sip_realm enabled notes own_lines path_secret "
        "token_sha256 firmware last_contact last_address",
    ),
    (
        "rollout",
        Rollout,
        "generation state started_at ended_at ended_because changed_by changed_at restart_now",
    ),
    (
        "installation",
        Installation,
        "generation terminal__number state wave attempts postponed next_at asked_at answered_at status_code "
        "reaction fetched_at user_agent address address_differs confirmed_at evidence confirmed_by failure "
        "failed_at excused",
    ),
    ("personal link", Link, "terminal__number generation made_at made_by revoked_at opened_at"),
    (
        "bootstrap window",
        BootstrapWindow,
        "opened_at closes_at opened_by all_terminals terminals__number",
    ),
    ("discovered", Discovered, "mac model firmware address first_seen last_seen requests"),
    ("file to be imported", ImportFile, "user__username uploaded_at"),
    (
        "event message",
        EventMessage,
        "kind subject severity with_match raised_at cleared_at confirmed_by",
    ),
]


def contents() -> list[str]:
    """Of the database that the product works on, sorted. What is empty, no or nothing is not told."""
    return sorted(_lines())


def _lines() -> Iterator[str]:
    for name, model, told_of in WHAT:
        fields = told_of.split()
        for row in model._default_manager.values_list(*fields):
            told = [
                f"{field.removesuffix('__number')}={_told(value)}"
                for field, value in zip(fields, row, strict=True)
                if value
            ]
            yield f"{name}: {', '.join(told)}"


def _told(value: Any) -> str:
    if isinstance(value, datetime):
        return f"{value:%Y-%m-%d %H:%M:%S}"
    return str(value).replace("\n", " / ")
