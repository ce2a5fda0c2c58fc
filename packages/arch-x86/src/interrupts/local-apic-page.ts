import type { MmioDevice } from "@hypercraft/hypercraft";
import type { LocalApic } from "./local-apic.js";

/** The registers' page on a bus that several processors share: each reaches its own. */
export function localApicPage(apics: readonly LocalApic[], accessor: () => number): MmioDevice {
  const here = () => {
    const apic = apics[accessor()];
    return apic?.moved ? undefined : apic;
  };
  return {
    read: (offset, width) => here()?.read(offset, width) ?? 2 ** (8 * width) - 1,
    write: (offset, width, value) => here()?.write(offset, width, value),
  };
}
