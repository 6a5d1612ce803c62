// After the log-in: opens the form with what was typed before. Nothing is carried out by that.
document.getElementById("kept-entries")?.requestSubmit();
