/** Is epoch `a` before epoch `b`? Epochs wrap at 2^32; two that are compared are less than 2^31 apart. */
export const isBefore = (a: number, b: number): boolean => ((a - b) | 0) < 0;
