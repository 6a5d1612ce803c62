// The status asks for itself. What a person has opened or marked in it must not vanish under their hands.
document.addEventListener("htmx:beforeRequest", (event) => {
  const status = document.getElementById("status");
  if (event.target !== status) {
    return;
  }
  const selection = document.getSelection();
  const marked = !selection.isCollapsed && status.contains(selection.anchorNode);
  if (marked || status.querySelector(".dropdown-menu.show")) {
    event.preventDefault();
  }
});
