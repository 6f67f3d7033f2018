// The server's answers, as in the contract of crates/room and docs/reading.schema.json.
// Pixel coordinates are those of the stored image: x to the right, y down.

export type Role = 'reader' | 'editor' | 'admin';
export interface User {
  name: string;
  role: Role;
}
export interface Session {
  user: User | null;
  csrf: string;
  local: boolean;
  /** What the button says that logs in by a provider. */
  provider?: string | null;
  demo: boolean;
  version: string;
  /** Language of dates and numbers where the server sets one. */
  locale: string | null;
}

export type StudyState = 'waiting' | 'reading' | 'read' | 'failed';
export type FindingSet = 'present' | 'absent' | 'undecided';
export interface TopFinding {
  code: string;
  name: string;
  probability: number | null;
  set: FindingSet | null;
}
export interface Gate {
  analysable: boolean;
  reasons: string[];
}

export interface Item {
  study_uid: string;
  patient_id: string | null;
  patient_name: string | null;
  study_date: string | null;
  received: string;
  age: string | number | null;
  sex: string | null;
  modality: string | null;
  description: string | null;
  n_images: number;
  state: StudyState;
  error: string | null;
  signed: boolean;
  gate: Gate | null;
  top: TopFinding[];
  uncertainty: number | null;
  priority: number | null;
  priority_reasons: string[];
  revision: number;
  has_prior: boolean;
}
export interface Counts {
  waiting: number;
  reading: number;
  read: number;
  failed: number;
  signed: number;
}
export interface Worklist {
  total: number;
  offset: number;
  items: Item[];
  counts: Counts;
}

export interface Point {
  x: number;
  y: number;
}
export interface ModelRegion {
  id: string;
  image: number;
  kind: 'activation_box' | 'detector_box' | 'outline';
  box: { x: number; y: number; w: number; h: number };
  score: number;
  outline?: Point[];
  place: string | null;
}
export interface Spread {
  count: number;
  low: number;
  high: number;
  deviation: number;
}
export interface Explanation {
  image: number;
  method: string;
  model: string;
  map: string | null;
  note: string | null;
  trust: null | {
    deletion: number;
    insertion: number;
    random_deletion: number;
    random_insertion: number;
    random: number;
    p: number;
    trusted: boolean;
  };
}
export interface OperatingPoint {
  threshold: number;
  rule: string;
  sensitivity: number | null;
  specificity: number | null;
  positive: boolean;
}
export interface Finding {
  code: string;
  name: string;
  status: 'assessed' | 'not_assessed';
  reason: string | null;
  logit: number | null;
  probability: number | null;
  operating_point: OperatingPoint | null;
  set: FindingSet | null;
  model: string | null;
  regions: ModelRegion[];
  uncertainty?: { entropy: number; venn_abers: { low: number; high: number } | null; members: Spread | null; augmented: Spread | null };
  explanations?: Explanation[];
}
export type Unit = 'ratio' | 'pixel' | 'mm_detector' | 'mm' | 'percent';
export interface Measurement {
  name: string;
  value: number | null;
  unit: Unit;
  interval: { low: number; high: number; level: number } | null;
  lines: { name: string; image: number; from: Point; to: Point }[];
  note: string | null;
}
export type Section = 'findings' | 'impression';
export interface Evidence {
  kind: 'finding' | 'region' | 'measurement' | 'gate' | 'image';
  ref: string;
}
export interface Sentence {
  section: Section;
  text: string;
  evidence: Evidence[];
}
export interface SimilarCase {
  id: string;
  labels: string[];
  distance: number;
  percentile: number | null;
}
export interface GateReason {
  code: string;
  message: string;
  blocking: boolean;
  image: number;
  score: number | null;
}
export interface Reading {
  study: { id: string; patient: string | null; date: string | null };
  images: {
    path: string;
    sha256: string;
    width: number;
    height: number;
    view: string;
    view_source: string;
    inverted: boolean;
    age_group: string | null;
  }[];
  gate: { analysable: boolean; reasons: GateReason[] };
  findings: Finding[];
  measurements: Measurement[];
  similar?: { image: number; model: string; cases: SimilarCase[]; note: string | null }[];
  report: { findings: string; impression: string; sentences: Sentence[] };
  provenance: { version: string; models: { name: string; sha256: string }[]; recipe: string; engine: string; elapsed_ms: number };
}

export type SpacingKind = 'pixel' | 'imager' | 'calibrated';
export interface Spacing {
  row_mm: number;
  col_mm: number;
  kind: SpacingKind;
}
export interface Overlay {
  id: string;
  kind: 'lungs' | 'heart' | 'map';
  finding: string | null;
  method?: string | null;
  url: string;
}
export interface StudyImage {
  index: number;
  sop_uid: string | null;
  columns: number;
  rows: number;
  bits: number;
  view: string;
  laterality: string | null;
  spacing: Spacing | null;
  window: { center: number; width: number } | null;
  inverted?: boolean;
  error?: string | null;
  pixels_url: string;
  thumbnail_url: string;
  overlays: Overlay[];
}

export interface Rect {
  x: number;
  y: number;
  width: number;
  height: number;
}
export type Shape = { rect: Rect; polygon?: undefined } | { polygon: [number, number][]; rect?: undefined };
export type Decision = 'accept' | 'reject' | 'change';
export type Op =
  | { type: 'finding'; code: string; decision: Decision; set?: FindingSet }
  | ({ type: 'region_add'; code: string; image: number } & Shape)
  | { type: 'region_remove'; region: string }
  | ({ type: 'region_change'; region: string } & Shape)
  | { type: 'sentence'; index: number; text: string }
  | { type: 'sentence_add'; section: Section; text: string }
  | { type: 'sentence_remove'; index: number }
  | { type: 'measurement_add'; image: number; name: string; line: [[number, number], [number, number]]; value: number; unit: Unit }
  | { type: 'note'; text: string }
  | { type: 'undo'; edit: number };
/** `undone_by` is the edit that took it back. */
export interface Edit {
  id: number;
  revision: number;
  at: string;
  by: string;
  op: Op;
  undone_by: number | null;
}

export interface EditedFinding {
  code: string;
  name: string;
  model_set: FindingSet | null;
  model_probability: number | null;
  set: FindingSet | null;
  decision: Decision | null;
  by: string | null;
}
export interface EditedRegion {
  id: string;
  code: string;
  image: number;
  rect?: Rect | null;
  polygon?: [number, number][] | null;
  source: 'model' | 'reader';
  by: string | null;
  removed: boolean;
  place?: string | null;
  score?: number | null;
  kind?: string | null;
}
export interface EditedSentence {
  index: number;
  section: Section;
  text: string;
  model_text: string | null;
  evidence: Evidence[];
  source: 'model' | 'reader';
  by?: string | null;
  removed: boolean;
}
export interface EditedMeasurement {
  id?: string | number;
  name: string;
  image?: number | null;
  line?: [[number, number], [number, number]] | null;
  value: number | null;
  unit: Unit;
  source?: 'model' | 'reader';
  by?: string | null;
  removed?: boolean;
}
export interface EditedNote {
  id: string | number;
  text: string;
  by: string;
  at: string;
}
export interface Edited {
  findings: EditedFinding[];
  regions: EditedRegion[];
  sentences: EditedSentence[];
  measurements: EditedMeasurement[];
  notes: EditedNote[];
  /** Edits that do not fit any more, since the study was read again and the model says something else there. */
  stale?: number[];
}
export interface Signed {
  by: string;
  at: string;
  revision: number;
}
export interface PriorRef {
  study_uid: string;
  study_date: string | null;
}
export interface Study {
  item: Item;
  reading: Reading | null;
  /** Stands for what the reading says; edits and signatures name the one that they were made of. */
  reading_hash: string | null;
  images: StudyImage[];
  prior: PriorRef | null;
  priors: PriorRef[];
  edits: Edit[];
  edited: Edited;
  signed: Signed | null;
}

export type Change = 'new' | 'gone' | 'same' | 'more' | 'less' | 'unsure';
export interface CompareSide {
  set: FindingSet | null;
  probability: number | null;
  by_reader?: boolean;
}
export interface Comparison {
  not_comparable?: string | null;
  rows: { code: string; name: string; prior: CompareSide | null; current: CompareSide | null; change: Change; text: string }[];
  measurements: { name: string; unit: Unit | null; prior: number | null; current: number | null; delta: number | null; text: string }[];
}

export interface UploadResult {
  name: string;
  status: 'stored' | 'known' | 'refused';
  study_uid: string | null;
  kind: string | null;
  message: string | null;
}

export interface ClaimRow {
  claim: string;
  paper: number | null;
  here: number | null;
  interval: [number, number] | null;
  holds: boolean | null;
  n: number;
  note: string;
}
export interface BenchResult {
  claim: string;
  data: string;
  here: number | null;
  interval: [number, number] | null;
  holds: boolean | null;
  seeds: number[];
  version: string;
  tiny: boolean;
  rows: ClaimRow[];
}
export type PlotKind = 'roc' | 'reliability' | 'confusion' | 'training';
export interface Plot {
  kind: PlotKind;
  title: string;
  note?: string | null;
  x_label?: string;
  y_label?: string;
  series?: { name: string; points: [number, number][] }[];
  labels?: string[] | null;
  matrix?: number[][] | null;
}
export interface Method {
  card: number | null;
  name: string;
  title: string;
  tasks: string[];
  data: string;
  holds: boolean | null;
  claim?: string;
  link?: string;
  result?: BenchResult | null;
  rows?: ClaimRow[];
  plots?: Plot[];
}
export interface Run {
  name: string;
  method: string;
  version?: string | null;
  started?: string | null;
  finished?: boolean;
  metrics: { name: string; value: number | null }[];
  curves: { name: string; points: [number, number][] }[];
}
export interface ModelOutput {
  code: string;
  assessed?: boolean;
  operating_point?: { threshold: number; sensitivity: number | null; specificity: number | null } | null;
}
export interface ModelCard {
  name: string;
  title?: string;
  sha256: string;
  licence: string | null;
  research_only?: boolean;
  card_markdown: string;
  outputs: ModelOutput[];
}
export interface AuditEntry {
  at: string;
  by: string;
  action: string;
  study_uid: string | null;
}
