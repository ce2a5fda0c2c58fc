export * from "./testing/conformance.js";
export { ConformanceError } from "./testing/expectations.js";
export * from "./testing/guest-program.js";
export * from "./testing/mock-arch.js";
