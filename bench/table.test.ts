import { expect, test } from "vitest";
import { formatTable, replaceSection } from "./table.ts";

test("columns are as wide as their widest cell", () => {
  const rows = [
    ["name", "ms"],
    ["fib", "7"],
    ["mandelbrot", "12345"],
  ];
  expect(formatTable(rows, ["left", "right"])).toBe(
    "| name       |    ms |\n| ---------- | ----: |\n| fib        |     7 |\n| mandelbrot | 12345 |\n",
  );
});

test("a section of a document is replaced, the rest is not touched", () => {
  const document = "# A\n<!-- bench:boot -->\nold\n<!-- /bench:boot -->\nend\n";
  const once = replaceSection(document, "boot", "new\n");
  expect(once).toBe("# A\n<!-- bench:boot -->\n\nnew\n\n<!-- /bench:boot -->\nend\n");
  expect(replaceSection(once, "boot", "new\n")).toBe(once);
  expect(() => replaceSection(document, "profile", "x")).toThrow(
    "the document has no <!-- bench:profile --> ... <!-- /bench:profile -->",
  );
});
