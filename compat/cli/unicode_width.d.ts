/** Columns that a string takes on a terminal. */
export declare function unicodeWidth(str: string): number;
