/** The instructions of one extension, in the order of declaration. */
export interface ExtensionSupport {
  /** Names joined by `+` where an instruction needs several extensions. */
  readonly extension: string;
  readonly instructions: readonly string[];
}

/** What a table of instructions needs to tell for that. */
export interface DocumentedTable {
  readonly instructions: readonly { readonly name: string; readonly extensions: readonly string[] }[];
}

/** What a table supports, for the documentation. */
export function supportMatrix(table: DocumentedTable): readonly ExtensionSupport[] {
  const byExtension = new Map<string, string[]>();
  for (const { name, extensions } of table.instructions) {
    const key = extensions.join("+");
    byExtension.set(key, [...(byExtension.get(key) ?? []), name]);
  }
  return [...byExtension].map(([extension, instructions]) => ({ extension, instructions }));
}

/** The matrix as a Markdown table. */
export function supportMarkdown(matrix: readonly ExtensionSupport[]): string {
  const rows = matrix.map(
    ({ extension, instructions }) =>
      `| ${extension} | ${instructions.length} | ${instructions.map((name) => `\`${name}\``).join(" ")} |`,
  );
  return ["| extension | instructions | |", "|---|---|---|", ...rows, ""].join("\n");
}
