// Tables that read well on a terminal and are Markdown at the same time.

export type Alignment = "left" | "right";

/** Rows of equal length, the heading first; every column is as wide as its longest cell. */
export function formatTable(rows: readonly (readonly string[])[], alignments: readonly Alignment[]): string {
  const widths = alignments.map((_, column) => Math.max(3, ...rows.map((row) => row[column]?.length ?? 0)));
  const line = (cells: readonly string[]) => `| ${cells.join(" | ")} |\n`;
  const padded = rows.map((row) =>
    line(
      widths.map((width, column) => {
        const cell = row[column] ?? "";
        return alignments[column] === "left" ? cell.padEnd(width) : cell.padStart(width);
      }),
    ),
  );
  const rule = widths.map((width, column) =>
    alignments[column] === "left" ? "-".repeat(width) : `${"-".repeat(width - 1)}:`,
  );
  const [heading = "", ...body] = padded;
  return [heading, line(rule), ...body].join("");
}

/**
 * Puts a text between `<!-- bench:NAME -->` and `<!-- /bench:NAME -->` of a document, in place of what is there.
 * @throws Error when the document has no such place
 */
export function replaceSection(document: string, name: string, text: string): string {
  const [open, close] = [`<!-- bench:${name} -->`, `<!-- /bench:${name} -->`];
  const [start, end] = [document.indexOf(open), document.indexOf(close)];
  if (start < 0 || end < start) throw new Error(`the document has no ${open} ... ${close}`);
  return `${document.slice(0, start + open.length)}\n\n${text.trimEnd()}\n\n${document.slice(end)}`;
}
