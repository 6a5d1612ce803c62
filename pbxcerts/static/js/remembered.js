// What a person has unfolded stays unfolded: on the next visit, and when the page brings itself up to date.
(() => {
  const key = (details) => `pbxcerts.open.${details.id}`;
  const read = (details) => {
    try {
      return localStorage.getItem(key(details));
    } catch {
      return null;
    }
  };
  const write = (details, open) => {
    try {
      localStorage.setItem(key(details), open ? "open" : "folded");
    } catch {
      // A browser that stores nothing forgets it.
    }
  };
  const follow = (root) => {
    for (const details of root.querySelectorAll("details[data-remembered]")) {
      if (read(details) === "open") {
        details.open = true;
      }
      // What the page opens by itself is no choice: so not on "toggle". The click comes before it.
      details.querySelector("summary").addEventListener("click", () => write(details, !details.open));
    }
  };
  // What an address or a list of errors leads to is shown.
  const show = (hash) => {
    const folded = hash.length > 1 && document.getElementById(decodeURIComponent(hash.slice(1)))?.closest("details");
    if (folded) {
      folded.open = true;
    }
  };
  follow(document);
  show(location.hash);
  addEventListener("hashchange", () => show(location.hash));
  document.addEventListener("htmx:load", (event) => follow(event.target));
})();
