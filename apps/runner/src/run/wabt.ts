/** Turns a module into WebAssembly text. */
export type ToText = (module: Uint8Array) => string;

/** How to get what `loadToText` did not find. */
export const WABT_HINT = "the text of modules needs the npm package wabt: npm install wabt";

/** The text form by the npm package wabt; undefined where that is not installed. */
export async function loadToText(): Promise<ToText | undefined> {
  let load: typeof import("wabt");
  try {
    ({ default: load } = await import("wabt"));
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ERR_MODULE_NOT_FOUND") return undefined;
    throw error;
  }
  const wabt = await load();
  return (bytes) => {
    const module = wabt.readWasm(bytes, { readDebugNames: true, tail_call: true, simd: true });
    try {
      module.applyNames();
      return module.toText({ foldExprs: true, inlineExport: false });
    } finally {
      module.destroy();
    }
  };
}
