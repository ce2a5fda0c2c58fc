/** Turns a module into WebAssembly text, as expressions (default) or one instruction a line. */
export type ToText = (module: Uint8Array, options?: { readonly fold?: boolean }) => string;

/** How to get what `loadToText` did not find. */
export const WABT_HINT = "the text of modules needs the npm package wabt: npm install wabt";

/** What is used of the package. Its own types would have to be there for the type check. */
interface Wabt {
  readWasm(bytes: Uint8Array, options: Readonly<Record<string, boolean>>): WabtModule;
}
interface WabtModule {
  applyNames(): void;
  toText(options: { readonly foldExprs: boolean; readonly inlineExport: boolean }): string;
  destroy(): void;
}

/** The name as a variable, so that nobody looks for an optional package before it is needed. */
const PACKAGE: string = "wabt";

/** The text form by the npm package wabt; undefined where that is not installed. */
export async function loadToText(): Promise<ToText | undefined> {
  let load: () => Promise<Wabt>;
  try {
    ({ default: load } = await import(PACKAGE));
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ERR_MODULE_NOT_FOUND") return undefined;
    throw error;
  }
  const wabt = await load();
  return (bytes, { fold = true } = {}) => {
    const features = { tail_call: true, simd: true, relaxed_simd: true };
    const module = wabt.readWasm(bytes, { readDebugNames: true, ...features });
    try {
      module.applyNames();
      return module.toText({ foldExprs: fold, inlineExport: false });
    } finally {
      module.destroy();
    }
  };
}
