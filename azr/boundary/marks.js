// Marks on answers: counts them, saves them as JSON lines, and loads such a file again.
(() => {
  const answers = [...document.querySelectorAll("fieldset.answer")];
  const progress = document.getElementById("progress");
  let unsaved = false, kept = [];  // kept: marks of a loaded file that are of answers elsewhere
  const marked = (answer) => answer.querySelector("input:checked")?.value;
  const tell = (more = "") => {
    const marks = answers.map(marked);
    const lucky = marks.filter((mark) => mark === "lucky").length;
    progress.textContent =
      `${marks.filter(Boolean).length} of ${answers.length} answers are marked, ${lucky} of them as lucky.${more}`;
  };
  const identity = ({ task_id, answer }) => JSON.stringify([String(task_id), answer]);

  document.addEventListener("change", ({ target }) => {
    if (target.type === "radio") { unsaved = true; tell(); }
  });
  document.getElementById("save-marks").addEventListener("click", () => {
    const own = answers.filter(marked).map((one) => ({ ...JSON.parse(one.dataset.key), mark: marked(one) }));
    saveAs("marks.jsonl", "application/jsonl", [...kept, ...own].map((mark) => JSON.stringify(mark) + "\n").join(""));
    unsaved = false;
  });
  document.getElementById("load-marks").addEventListener("change", async ({ target }) => {
    const here = new Map(answers.map((one) => [identity(JSON.parse(one.dataset.key)), one]));
    let marks;
    try {
      const lines = (await target.files[0].text()).split("\n").filter((line) => line.trim());
      marks = lines.map((line) => JSON.parse(line));
      if (!marks.every((mark) => ["reasoned", "lucky"].includes(mark.mark))) throw new Error("not a mark");
    } catch {
      return tell(` ${target.files[0].name} is not a file of marks; nothing was loaded.`);
    }
    kept = marks.filter((mark) => !here.has(identity(mark)));
    for (const mark of marks) {
      const answer = here.get(identity(mark));
      if (answer) answer.querySelector(`input[value="${mark.mark}"]`).checked = true;
    }
    target.value = "";
    tell(` ${marks.length} marks were loaded${kept.length ? `, ${kept.length} of them of answers that are not here` : ""}.`);
  });
  addEventListener("beforeunload", (event) => { if (unsaved) event.preventDefault(); });
  tell();
})();
