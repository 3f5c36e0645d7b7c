import { parentPort } from "node:worker_threads";
import { decodeSlot } from "./hdf5-decode.ts";
import type { Hdf5Slot } from "./hdf5-decode.ts";
import { Hdf5Damage, loadLibrary, openHdf5File } from "./hdf5-file.ts";
import type { Hdf5File } from "./hdf5-file.ts";
import { findTable } from "./hdf5-layout.ts";
import type { Hdf5Layout } from "./hdf5-layout.ts";
import type { Column, ColumnSchema } from "./table.ts";

/** What the thread is asked for. One file is open at a time. */
export type Hdf5Request =
  | { readonly kind: "open"; readonly path: string; readonly size: number }
  | { readonly kind: "read"; readonly columns: readonly number[]; readonly start: number; readonly end: number }
  | { readonly kind: "close" };

/** What it answers: one of these per request, and one `ready` at the start. */
export type Hdf5Answer =
  | { readonly kind: "ready" | "closed" }
  | { readonly kind: "damage"; readonly message: string }
  | {
      readonly kind: "opened";
      readonly schema: readonly ColumnSchema[];
      readonly rowCount: number;
      readonly metadata: Readonly<Record<string, string>>;
      /** Bytes of one row of each column's dataset, and the dataset's path: what reading the column costs. */
      readonly costs: readonly { readonly path: string; readonly bytes: number }[];
    }
  | { readonly kind: "rows"; readonly columns: readonly Column[] };

let open: { readonly file: Hdf5File; readonly layout: Hdf5Layout } | undefined;

async function openFile(path: string, size: number): Promise<Hdf5Answer> {
  const file = await openHdf5File(path, size);
  const layout = findTable(file);
  open = { file, layout };
  const { slots, rowCount, metadata } = layout;
  const costs = slots.map(({ dataset }) => ({ path: dataset.path, bytes: dataset.rowBytes }));
  return { kind: "opened", schema: slots.map((slot) => slot.schema), rowCount, metadata, costs };
}

/** Columns of rows `[start, end)`; a dataset that holds several is read once. */
function readRows(wanted: readonly number[], start: number, end: number): Hdf5Answer {
  if (!open) throw new Hdf5Damage("no file is open");
  const { file, layout } = open;
  const slots = wanted.map((i) => layout.slots[i]);
  const columns = new Map<Hdf5Slot, Column>();
  for (const dataset of new Set(slots.map((slot) => slot.dataset))) {
    file.withRows(dataset, start, end, (view, heap) => {
      for (const slot of slots) if (slot.dataset === dataset) columns.set(slot, decodeSlot(slot, view, heap));
    });
  }
  return { kind: "rows", columns: slots.flatMap((slot) => columns.get(slot) ?? []) };
}

async function answer(request: Hdf5Request): Promise<Hdf5Answer> {
  if (request.kind === "open") return openFile(request.path, request.size);
  if (request.kind === "read") return readRows(request.columns, request.start, request.end);
  open?.file.close();
  open = undefined;
  return { kind: "closed" };
}

function send(message: Hdf5Answer): void {
  const columns = message.kind === "rows" ? message.columns : [];
  parentPort?.postMessage(
    message,
    columns.flatMap(({ data }) => (Array.isArray(data) ? [] : [data.buffer as ArrayBuffer])),
  );
}

parentPort?.on("message", (request: Hdf5Request) => {
  void answer(request).then(send, (error: unknown) => {
    // Aborts and traps of the library come as other errors; after either the thread is given up.
    send({ kind: "damage", message: error instanceof Error ? error.message : String(error) });
  });
});
await loadLibrary();
send({ kind: "ready" });
