import { expect, test } from "vitest";
import { sortItems, toggleOrder, type Column } from "./table";

type Fruit = { name: string; price: number };
const columns: Column<Fruit>[] = [
  { name: "Name", sortBy: (fruit) => fruit.name },
  { name: "Price", sortBy: (fruit) => fruit.price },
  { name: "Actions" },
];
const fruits: Fruit[] = [
  { name: "Zitrone", price: 10 },
  { name: "Äpfel 10", price: 9 },
  { name: "Äpfel 9", price: 100 },
];
const names = (order: Parameters<typeof sortItems>[2]) =>
  sortItems(fruits, columns, order, "de").map(({ name }) => name);

test("rows are sorted by words and numbers, as in the language of the person", () => {
  expect(names(null)).toEqual(["Zitrone", "Äpfel 10", "Äpfel 9"]);
  expect(names({ column: 0, isDescending: false })).toEqual(["Äpfel 9", "Äpfel 10", "Zitrone"]);
  expect(names({ column: 1, isDescending: true })).toEqual(["Äpfel 9", "Zitrone", "Äpfel 10"]);
  expect(names({ column: 2, isDescending: false })).toEqual(["Zitrone", "Äpfel 10", "Äpfel 9"]);
});

test("a second click turns the order around", () => {
  const first = toggleOrder(null, 1);
  expect(first).toEqual({ column: 1, isDescending: false });
  const second = toggleOrder(first, 1);
  expect(second).toEqual({ column: 1, isDescending: true });
  expect(toggleOrder(second, 1)).toEqual({ column: 1, isDescending: false });
  expect(toggleOrder(second, 0)).toEqual({ column: 0, isDescending: false });
});
