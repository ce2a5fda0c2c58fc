import type { Shortcut, Shortcuts, wasm } from "@hypercraft/engine";
import { TIMESTAMP_SHORTCUTS } from "./timestamp-shortcuts.js";
import { X87_SHORTCUTS } from "./x87/shortcuts/index.js";

// The floating-point unit's come first, so that their numbers are those of x87/shortcuts/.
const PARTS: readonly Shortcuts[] = [X87_SHORTCUTS, TIMESTAMP_SHORTCUTS];

const LIST: readonly Shortcut[] = PARTS.flatMap(({ list }) => list);

/** What helpers do in their usual cases, in WebAssembly. */
export const X86_SHORTCUTS: Shortcuts = {
  list: LIST,
  emit: (module, state, ask): readonly wasm.FunctionBuilder[] =>
    PARTS.flatMap((part) => part.emit(module, state, ask)),
};

/** The number of a shortcut that has this name. */
export const shortcutNamed = (name: string): number => LIST.findIndex((one) => one.name === name);
