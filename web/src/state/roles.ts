// The roles of a person, as the forms for administrators show them.

import { msg } from "./locale.svelte";

export type Role = "staff" | "administrator" | "compliance-officer";

export const roles: { id: Role; name: string; description: string }[] = [
  { id: "staff", name: msg("Staff"), description: msg("asks questions and opens pages") },
  {
    id: "administrator",
    name: msg("Administrator"),
    description: msg("manages access and monitors the system"),
  },
  {
    id: "compliance-officer",
    name: msg("Compliance officer"),
    description: msg("reviews the audit log"),
  },
];
