// A button beside a text copies it, and says so for a moment. Over plain HTTP from elsewhere a browser lets nobody write to the
// clipboard: the text is selected then, and copied as by the keyboard.
for (const button of document.querySelectorAll("[data-copy]")) {
  const words = button.textContent;
  button.hidden = false;
  button.addEventListener("click", async () => {
    const text = document.getElementById(button.dataset.copy);
    if (navigator.clipboard) {
      await navigator.clipboard.writeText(text.textContent.trim());
    } else {
      getSelection().selectAllChildren(text);
      document.execCommand("copy");
    }
    button.textContent = button.dataset.copied;
    setTimeout(() => {
      button.textContent = words;
    }, 3000);
  });
}
