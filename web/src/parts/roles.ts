// What a person may be, as the administrator's forms show it.

export const roles = [
  { id: "staff", name: "Staff", does: "asks questions and opens pages" },
  { id: "administrator", name: "Administrator", does: "grants access and watches the machine" },
  { id: "compliance-officer", name: "Compliance officer", does: "reviews the audit log" },
];
