/** A column of a table. */
export type Column = {
  name: string;
  /** The width as in CSS. Columns without one share the rest. */
  width?: string;
  /** Whether the column has numbers, which are aligned at the right. */
  isNumber?: boolean;
};
