// The token stands in the address after "#", which no browser sends and no log keeps: it goes into its field, and out of sight.
"use strict";

const token = document.getElementById("id_token");
const fragment = decodeURIComponent(window.location.hash.slice(1));
if (token && fragment) {
  token.value = fragment.replace(/^token=/, "");
  window.history.replaceState(null, "", window.location.pathname);
  document.getElementById("id_username").focus();
}
