import { describe, expect, test } from "vitest";
import type { OptionGroup } from "./option.js";
import { parseCommand } from "./parse.js";

const GROUPS: readonly OptionGroup[] = [
  {
    title: "All",
    options: [
      { name: "memory", argument: "SIZE", help: "" },
      { name: "append", argument: "TEXT", help: "" },
      { name: "load", argument: "FILE", repeat: true, help: "" },
      { name: "stats", argument: "FORM", optional: true, help: "" },
      { name: "deterministic", help: "" },
    ],
  },
];
const parse = (...args: string[]) => parseCommand("run", args, GROUPS);
const texts = (name: string, ...args: string[]) =>
  parse(...args)
    .settings.get(name)
    ?.map(({ text }) => text);

describe("words of a command", () => {
  test("take their argument behind a space or an equals sign", () => {
    expect(texts("memory", "--memory", "1G")).toEqual(["1G"]);
    expect(texts("memory", "--memory=1G")).toEqual(["1G"]);
    expect(texts("append", "--append=a=b c")).toEqual(["a=b c"]);
    expect(texts("append", "--append", "-x --y")).toEqual(["-x --y"]);
    expect(texts("append", "--append", "line 1\nline 2")).toEqual(["line 1\nline 2"]);
  });

  test("count once or each time", () => {
    expect(texts("memory", "--memory", "1G", "--memory", "2G")).toEqual(["2G"]);
    expect(texts("load", "--load", "a", "--load=b")).toEqual(["a", "b"]);
  });

  test("may be flags, which can be taken back", () => {
    expect(texts("deterministic", "--deterministic")).toEqual(["true"]);
    expect(texts("deterministic", "--deterministic", "--deterministic=no")).toEqual(["false"]);
    expect(() => parse("--deterministic=maybe")).toThrow('--deterministic: "maybe" is neither yes nor no');
  });

  test("may leave out an optional argument, which is never the next word", () => {
    expect(texts("stats", "--stats")).toEqual([""]);
    expect(texts("stats", "--stats=json")).toEqual(["json"]);
    expect(parse("--stats", "json").words).toEqual(["json"]);
  });

  test("are files in between, and all are behind --", () => {
    expect(parse("a.toml", "--memory", "1G", "-").words).toEqual(["a.toml", "-"]);
    expect(parse("--", "--memory", "-x").words).toEqual(["--memory", "-x"]);
  });

  test("ask for help", () => {
    expect(parse("--help").help).toBe(true);
    expect(parse("-h").help).toBe(true);
    expect(parse("--memory", "1G").help).toBe(false);
  });

  test.each([
    [["--memroy", "1G"], "unknown option --memroy; did you mean --memory?"],
    [["--xyz=3"], "unknown option --xyz; see hypercraft run --help"],
    [["-m", "1G"], "unknown option -m; see hypercraft run --help"],
    [["--memory"], "--memory needs SIZE"],
    [["--memory", "--deterministic"], "--memory needs SIZE"],
    [["--memory", "--append=x"], "--memory needs SIZE"],
  ])("%j is refused", (args, message) => {
    expect(() => parse(...args)).toThrow(message);
  });
});
