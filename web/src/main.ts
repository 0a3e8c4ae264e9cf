import { mount } from "svelte";
import App from "./App.svelte";
import "./app.css";
import { locale } from "./state/locale.svelte";

// A catalogue that cannot be loaded must not keep the interface away.
await locale.load().catch(() => {});
const target = document.getElementById("app");
if (target) mount(App, { target });
