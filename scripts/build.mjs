// npm run build: every package, from a fresh checkout if need be.
import { build } from "./workspace.mjs";

build();
