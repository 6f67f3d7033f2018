// The least of a DICOM file that a server must take: Explicit VR Little Endian, 16 bit, made-up identifiers.

const LONG = new Set(['OB', 'OW', 'UN', 'SQ', 'UT']);

function element(group, number, vr, value) {
  let data = Buffer.isBuffer(value) ? value : Buffer.from(value, 'utf8');
  if (data.length % 2) data = Buffer.concat([data, Buffer.from(vr === 'UI' ? '\0' : ' ')]);
  const head = Buffer.alloc(LONG.has(vr) ? 12 : 8);
  head.writeUInt16LE(group, 0);
  head.writeUInt16LE(number, 2);
  head.write(vr, 4, 'ascii');
  if (LONG.has(vr)) head.writeUInt32LE(data.length, 8);
  else head.writeUInt16LE(data.length, 6);
  return Buffer.concat([head, data]);
}
const us = (v) => {
  const b = Buffer.alloc(2);
  b.writeUInt16LE(v);
  return b;
};

let count = 0;
/** A fresh UID under the root for UUIDs; `seed` keeps runs apart. */
export const uid = (seed = Date.now()) => `2.25.${seed}${String(++count).padStart(4, '0')}`;

/** A grey body-like picture: bright middle, two dark lungs, so that the window has something to do. */
export function picture(columns, rows) {
  const out = Buffer.alloc(columns * rows * 2);
  for (let y = 0; y < rows; y++) {
    for (let x = 0; x < columns; x++) {
      const u = (x / columns - 0.5) * 2,
        v = (y / rows - 0.5) * 2;
      const body = Math.max(0, 1 - (u * u * 0.9 + v * v * 0.35)),
        lungs = Math.exp(-(((Math.abs(u) - 0.42) / 0.24) ** 2) - (v / 0.6) ** 2);
      out.writeUInt16LE(Math.round(3600 * body * (1 - 0.75 * lungs)) + ((x * 31 + y * 17) & 31), (y * columns + x) * 2);
    }
  }
  return out;
}

export function dicom({
  columns,
  rows,
  pixels = picture(columns, rows),
  name = 'Test^Person',
  id = 'T1',
  study = uid(),
  date = '20260101',
  description = 'Chest',
  view = 'PA',
  spacing = null,
  modality = 'DX',
}) {
  const sop = uid();
  const meta = Buffer.concat([
    element(2, 1, 'OB', Buffer.from([0, 1])),
    element(2, 2, 'UI', '1.2.840.10008.5.1.4.1.1.1.1'),
    element(2, 3, 'UI', sop),
    element(2, 0x10, 'UI', '1.2.840.10008.1.2.1'),
    element(2, 0x12, 'UI', '2.25.1'),
  ]);
  const length = Buffer.alloc(4);
  length.writeUInt32LE(meta.length);
  return {
    study,
    bytes: Buffer.concat([
      Buffer.alloc(128),
      Buffer.from('DICM'),
      element(2, 0, 'UL', length),
      meta,
      element(8, 5, 'CS', 'ISO_IR 192'),
      element(8, 0x16, 'UI', '1.2.840.10008.5.1.4.1.1.1.1'),
      element(8, 0x18, 'UI', sop),
      element(8, 0x20, 'DA', date),
      element(8, 0x30, 'TM', '120000'),
      element(8, 0x60, 'CS', modality),
      element(8, 0x1030, 'LO', description),
      element(0x10, 0x10, 'PN', name),
      element(0x10, 0x20, 'LO', id),
      element(0x10, 0x30, 'DA', '19700101'),
      element(0x10, 0x40, 'CS', 'F'),
      element(0x10, 0x1010, 'AS', '056Y'),
      element(0x18, 0x15, 'CS', 'CHEST'),
      ...(spacing ? [element(0x18, 0x1164, 'DS', `${spacing}\\${spacing}`)] : []),
      element(0x18, 0x5101, 'CS', view),
      element(0x20, 0xd, 'UI', study),
      element(0x20, 0xe, 'UI', uid()),
      element(0x20, 0x10, 'SH', '1'),
      element(0x20, 0x11, 'IS', '1'),
      element(0x20, 0x13, 'IS', '1'),
      element(0x28, 2, 'US', us(1)),
      element(0x28, 4, 'CS', 'MONOCHROME2'),
      element(0x28, 0x10, 'US', us(rows)),
      element(0x28, 0x11, 'US', us(columns)),
      element(0x28, 0x100, 'US', us(16)),
      element(0x28, 0x101, 'US', us(12)),
      element(0x28, 0x102, 'US', us(11)),
      element(0x28, 0x103, 'US', us(0)),
      element(0x28, 0x1050, 'DS', '2000'),
      element(0x28, 0x1051, 'DS', '3600'),
      element(0x7fe0, 0x10, 'OW', pixels),
    ]),
  };
}
