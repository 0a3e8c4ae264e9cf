// The roles of a person, as the forms for administrators show them.

export type Role = "staff" | "administrator" | "compliance-officer";

export const roles: { id: Role; name: string; description: string }[] = [
  { id: "staff", name: "Staff", description: "asks questions and opens pages" },
  {
    id: "administrator",
    name: "Administrator",
    description: "manages access and monitors the system",
  },
  { id: "compliance-officer", name: "Compliance officer", description: "reviews the audit log" },
];
