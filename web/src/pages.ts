// The table of pages: their paths, the roles that use them, and their entries in the navigation.

import type { Component } from "svelte";
import Ask from "./pages/Ask.svelte";
import { msg } from "./state/locale.svelte";
import type { Role } from "./state/roles";
import { session } from "./state/session.svelte";

type Page = {
  /** The first part of the route. */
  path: string;
  /** The name of the page. */
  name: string;
  /** Whether the navigation has no link to it. */
  isUnlisted?: boolean;
  /** The role that uses the page. Without one, everybody does. */
  role?: Role;
  /** Loads the component. Most people begin with the first page, so the others are loaded later. */
  load: () => Promise<{ default: Component }>;
};

export const pages: Page[] = [
  { path: "ask", name: msg("Ask"), role: "staff", load: async () => ({ default: Ask }) },
  {
    path: "history",
    name: msg("History"),
    role: "staff",
    load: () => import("./pages/History.svelte"),
  },
  {
    path: "search",
    name: msg("Search"),
    role: "staff",
    load: () => import("./pages/Search.svelte"),
  },
  {
    path: "documents",
    name: msg("Documents"),
    role: "staff",
    load: () => import("./pages/Documents.svelte"),
  },
  {
    path: "page",
    name: msg("Document"),
    role: "staff",
    isUnlisted: true,
    load: () => import("./pages/DocumentPage.svelte"),
  },
  {
    path: "administration",
    name: msg("Administration"),
    role: "administrator",
    load: () => import("./pages/Administration.svelte"),
  },
  {
    path: "audit",
    name: msg("Audit log"),
    role: "compliance-officer",
    load: () => import("./pages/Audit.svelte"),
  },
  {
    path: "account",
    name: msg("Your account"),
    isUnlisted: true,
    load: () => import("./pages/Account.svelte"),
  },
];

/** The page of a path. If there is none, the first page for the person's roles. */
export function findPage(path: string): Page | undefined {
  return (
    pages.find((page) => page.path === path) ??
    pages.find((page) => page.role && session.is(page.role))
  );
}
