// The key ? leads to the help of the page, unless somebody is writing.
document.addEventListener("keydown", (event) => {
  const writes = event.target.closest("input, textarea, select, [contenteditable]");
  if (event.key !== "?" || event.ctrlKey || event.altKey || event.metaKey || writes) {
    return;
  }
  const link = document.getElementById("help");
  if (link) {
    event.preventDefault();
    link.click();
  }
});
