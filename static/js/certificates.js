// The status asks for itself: what a person has opened or is reading in it must not close under their hands.
document.addEventListener("htmx:beforeRequest", (event) => {
  const status = document.getElementById("status");
  if (event.target === status && status.querySelector(".dropdown-menu.show")) {
    event.preventDefault();
  }
});
