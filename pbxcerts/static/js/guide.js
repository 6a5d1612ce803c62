// Who downloads a file is shown how it is installed.
for (const link of document.querySelectorAll("[data-opens]")) {
  link.addEventListener("click", () => {
    const guide = document.getElementById(link.dataset.opens);
    if (guide) {
      guide.open = true;
    }
  });
}
