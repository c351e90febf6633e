/** The cells that are left while a table is cleaned. */
import type { Cells } from "../cells/cells.ts";
import { sameColumns } from "../cells/figures.ts";

/** Each step makes a table of its own, so that later queries need not repeat its conditions. */
export class RestOfCells {
  cells: Cells;
  #table = "cells";
  #steps = 0;

  constructor(cells: Cells) {
    this.cells = cells;
  }

  async keep(condition: string): Promise<void> {
    const next = `cells${++this.#steps}`;
    const { database, kept } = this.cells;
    // The record number becomes a column of that name, which the database then takes for rowid.
    await database.run(
      `create table ${next} as select rowid as rowid, columns('^c[0-9]+$') from ${kept} and (${condition}) order by rowid`,
    );
    await database.run(`drop ${await this.#kind()} ${this.#table}`);
    this.#table = next;
    const [row] = await database.rows(`select count(*)::double from ${next}`);
    const { raw: _, ...rest } = this.cells;
    this.cells = { ...rest, kept: `${next} where true`, samples: Number(row![0]) };
  }

  /** What typed formats show of a file is a view. */
  async #kind(): Promise<"view" | "table"> {
    const [row] = await this.cells.database.rows(
      `select count(*)::double from duckdb_views() where view_name = '${this.#table}'`,
    );
    return row![0] === 0 ? "table" : "view";
  }

  async keepFirst(names: readonly string[]): Promise<void> {
    const { kept } = this.cells;
    const columns = sameColumns(this.cells, names).join(", ");
    await this.keep(`rowid in (select min(rowid) from ${kept} group by ${columns})`);
  }
}
