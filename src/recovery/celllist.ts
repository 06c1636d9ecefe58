/** A list of cells that grows. */
export class CellList {
  cells = new Int32Array(1024);
  count = 0;

  add(cell: number): void {
    if (this.count === this.cells.length) {
      const larger = new Int32Array(this.count * 2);
      larger.set(this.cells);
      this.cells = larger;
    }
    this.cells[this.count++] = cell;
  }
}
