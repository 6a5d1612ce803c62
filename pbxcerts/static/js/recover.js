// A page that could not be shown shows itself as soon as it can be had. It was a GET: nothing is repeated by that.
(() => {
  const pause = Number(document.getElementById("recovers").dataset.againAfter) * 1000;
  const look = async () => {
    try {
      if (!document.hidden && (await fetch(location.href, { method: "HEAD", redirect: "manual" })).status !== 503) {
        location.reload();
        return;
      }
    } catch {
      // The product is being started again, say.
    }
    setTimeout(look, pause);
  };
  setTimeout(look, pause);
})();
