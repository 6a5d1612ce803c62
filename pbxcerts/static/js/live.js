// Parts of a page ask for themselves while somebody can see them: a hidden tab asks for nothing, and once when it is seen again.
(() => {
  const polls = (element) => element.getAttribute("hx-trigger")?.startsWith("every ");
  document.addEventListener("htmx:beforeRequest", (event) => {
    if (document.hidden && polls(event.target)) {
      event.preventDefault();
    }
  });
  document.addEventListener("visibilitychange", () => {
    if (!document.hidden) {
      for (const element of document.querySelectorAll("[hx-trigger^='every ']")) {
        htmx.ajax("GET", element.getAttribute("hx-get"), { target: element, swap: "outerHTML" });
      }
    }
  });
})();
