// Parts of a page ask for themselves while somebody can see them: a hidden tab asks for nothing, and once when it is seen again.
// The page says when nobody answers, and goes on by itself when somebody does.
(() => {
  const asks = (element) => element.getAttribute("hx-trigger")?.startsWith("every ");

  // An answer says of what it was made; whoever says so again gets none while nothing has moved.
  let made = { of: "", mark: "" };

  const connection = document.getElementById("connection");
  let current = new Date();
  let state = "";
  const say = (next, time) => {
    if (!connection || state === next) {
      return;
    }
    state = next;
    for (const message of connection.querySelectorAll("[data-connection]")) {
      message.hidden = message.dataset.connection !== next;
      for (const element of message.querySelectorAll("time")) {
        element.dateTime = time.toISOString();
        element.textContent = time.toLocaleTimeString(document.documentElement.lang);
      }
    }
  };

  document.addEventListener("htmx:configRequest", (event) => {
    const banner = document.getElementById("demonstration")?.dataset.key;
    if (asks(event.target) && banner) {
      event.detail.headers["Pbxcerts-Banner"] = banner;
    }
    if (asks(event.target) && made.of === event.detail.path) {
      event.detail.headers["Pbxcerts-Mark"] = made.mark;
    }
  });
  document.addEventListener("htmx:beforeRequest", (event) => {
    if (asks(event.target) && (document.hidden || state === "over")) {
      event.preventDefault();
    }
  });
  document.addEventListener("htmx:sendError", () => say("lost", current));
  document.addEventListener("htmx:timeout", () => say("lost", current));
  document.addEventListener("htmx:responseError", (event) => {
    if (event.detail.xhr.status === 401) {
      say("over", current);
    } else if (event.detail.xhr.status >= 500) {
      say("lost", current);
    }
  });
  document.addEventListener("htmx:beforeOnLoad", (event) => {
    const { xhr, pathInfo } = event.detail;
    if (xhr.status >= 400) {
      return;
    }
    current = new Date();
    if (xhr.getResponseHeader("Pbxcerts-Mark") && xhr.status === 200) {
      made = { of: pathInfo.requestPath, mark: xhr.getResponseHeader("Pbxcerts-Mark") };
    }
    const version = xhr.getResponseHeader("Pbxcerts-Version");
    if (version && version !== connection?.dataset.version) {
      say("updated", current);
    } else if (state === "lost") {
      say("back", current);
    }
  });
  document.addEventListener("visibilitychange", () => {
    if (!document.hidden && state !== "over") {
      for (const element of document.querySelectorAll("[hx-trigger^='every ']")) {
        htmx.ajax("GET", element.getAttribute("hx-get"), { source: element, target: element, swap: "outerHTML" });
      }
    }
  });
})();
