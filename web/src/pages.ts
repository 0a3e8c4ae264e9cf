// The table of pages: their paths, the roles that use them, and their entries in the navigation.

import type { Component } from "svelte";
import Account from "./pages/Account.svelte";
import Administration from "./pages/Administration.svelte";
import Ask from "./pages/Ask.svelte";
import Audit from "./pages/Audit.svelte";
import DocumentPage from "./pages/DocumentPage.svelte";
import Documents from "./pages/Documents.svelte";
import History from "./pages/History.svelte";
import Search from "./pages/Search.svelte";
import { msg } from "./state/locale.svelte";
import type { Role } from "./state/roles";
import { session } from "./state/session.svelte";

type Page = {
  /** The first part of the route. */
  path: string;
  /** The text of the navigation link. Pages without a label have no link. */
  label?: string;
  /** The role that uses the page. Without one, everybody does. */
  role?: Role;
  component: Component;
};

export const pages: Page[] = [
  { path: "ask", label: msg("Ask"), role: "staff", component: Ask },
  { path: "history", label: msg("History"), role: "staff", component: History },
  { path: "search", label: msg("Search"), role: "staff", component: Search },
  { path: "documents", label: msg("Documents"), role: "staff", component: Documents },
  { path: "page", role: "staff", component: DocumentPage },
  {
    path: "administration",
    label: msg("Administration"),
    role: "administrator",
    component: Administration,
  },
  { path: "audit", label: msg("Audit log"), role: "compliance-officer", component: Audit },
  { path: "account", component: Account },
];

/** The page of a path. If there is none, the first page for the person's roles. */
export function findPage(path: string): Page | undefined {
  return (
    pages.find((page) => page.path === path) ??
    pages.find((page) => page.role && session.is(page.role))
  );
}
