// The key / leads to the search box, unless somebody is writing.
document.addEventListener("keydown", (event) => {
  const writes = event.target.closest("input, textarea, select, [contenteditable]");
  if (event.key !== "/" || event.ctrlKey || event.altKey || event.metaKey || writes) {
    return;
  }
  const box = document.getElementById("search");
  if (box) {
    event.preventDefault();
    box.focus();
    box.select();
  }
});
