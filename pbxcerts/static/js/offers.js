// Values that this machine has: a button takes one over into its field, with a line of its own.
"use strict";

for (const offers of document.querySelectorAll("[data-offers-to]")) {
  const field = document.getElementById(offers.dataset.offersTo);
  const entries = () => field.value.split(/[\n,]/).map((entry) => entry.trim()).filter(Boolean);
  const refresh = () => {
    for (const button of offers.querySelectorAll("[data-offer]")) {
      button.disabled = entries().includes(button.dataset.offer);
    }
  };
  offers.hidden = false;
  offers.addEventListener("click", (event) => {
    const button = event.target.closest("[data-offer]");
    if (button) {
      field.value = [...entries(), button.dataset.offer].join("\n");
      field.focus();
      refresh();
    }
  });
  field.addEventListener("input", refresh);
  refresh();
}
