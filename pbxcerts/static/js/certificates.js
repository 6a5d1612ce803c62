// The status asks for itself, and brings the pairs with it. What a person has opened or marked in them must not vanish under
// their hands.
document.addEventListener("htmx:beforeRequest", (event) => {
  if (event.target.id !== "status") {
    return;
  }
  const selection = document.getSelection();
  const parts = [event.target, document.getElementById("pairs")].filter(Boolean);
  const marked = !selection.isCollapsed && parts.some((part) => part.contains(selection.anchorNode));
  if (marked || parts.some((part) => part.querySelector(".dropdown-menu.show"))) {
    event.preventDefault();
  }
});
