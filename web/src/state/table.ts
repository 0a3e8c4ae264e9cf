// Columns of tables, and the order of their rows.

/** A column of a table. */
export type Column<T> = {
  name: string;
  /** The width as in CSS. Columns without one share the rest. */
  width?: string;
  /** Whether the column has numbers, which are aligned at the right. */
  isNumber?: boolean;
  /** The value by which the rows can be sorted. */
  sortBy?: (item: T) => string | number;
};

export type Order = { column: number; isDescending: boolean };

/** The order after a click on a column: ascending, descending, and again. */
export function toggleOrder(order: Order | null, column: number): Order {
  return { column, isDescending: order?.column === column && !order.isDescending };
}

/** The rows in an order. Words are sorted as in the language of the person. */
export function sortItems<T>(
  items: T[],
  columns: Column<T>[],
  order: Order | null,
  locale: string,
): T[] {
  const sortBy = order && columns[order.column]?.sortBy;
  if (!sortBy) return items;
  const { compare } = new Intl.Collator(locale, { numeric: true });
  const sign = order.isDescending ? -1 : 1;
  return items.toSorted((a, b) => {
    const [first, second] = [sortBy(a), sortBy(b)];
    return typeof first === "number" && typeof second === "number"
      ? sign * (first - second)
      : sign * compare(String(first), String(second));
  });
}
