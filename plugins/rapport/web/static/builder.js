"use strict";

// What somebody types while the conditions are drawn anew is in no answer yet; it stays as they typed it.
document.addEventListener("htmx:beforeSwap", ({ detail: { target, requestConfig } }) => {
  const asked = requestConfig.formData;
  if (target.id !== "conditions" || asked.has("do")) return;
  const typed = [...target.querySelectorAll("input[id], textarea")]
    .filter((field) => asked.has(field.name) && asked.get(field.name) !== field.value);
  target.addEventListener("htmx:afterSwap", () => {
    for (const { id, value } of typed) {
      const field = document.getElementById(id);
      if (field) field.value = value;
    }
  }, { once: true });
});
