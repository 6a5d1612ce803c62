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
  const write = (details) => {
    try {
      localStorage.setItem(key(details), details.open ? "open" : "folded");
    } catch {
      // A browser that stores nothing forgets it.
    }
  };
  const follow = (root) => {
    for (const details of root.querySelectorAll("details[data-remembered]")) {
      if (read(details) === "open") {
        details.open = true;
      }
      details.addEventListener("toggle", () => write(details));
    }
  };
  follow(document);
  document.addEventListener("htmx:load", (event) => follow(event.target));
})();
