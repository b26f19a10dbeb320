"use strict";

// Times are sent in UTC and shown in the viewer's own zone; UTC stays on hover.
for (const element of document.querySelectorAll("time[datetime]")) {
  element.textContent = new Intl.DateTimeFormat(undefined, { dateStyle: "medium", timeStyle: "short" })
    .format(new Date(element.dateTime));
}
