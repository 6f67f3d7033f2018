import { levelFor, type Level } from './levels';
import type { Painter } from './painter';
import { fitScale, type Size, type View } from './view';

const VERTEX = `#version 300 es
void main() { vec2 p = vec2((gl_VertexID << 1) & 2, gl_VertexID & 2); gl_Position = vec4(p * 2.0 - 1.0, 0.0, 1.0); }`;

// 16-bit values stay whole numbers up to the window; integer textures have no filter, so four are mixed here.
const FRAGMENT = `#version 300 es
precision highp float; precision highp int; precision highp usampler2D;
uniform usampler2D image; uniform vec2 size, origin; uniform float stride, portHeight, center, width, invert;
out vec4 color;
float at(ivec2 p) { return float(texelFetch(image, clamp(p, ivec2(0), ivec2(size) - 1), 0).r); }
void main() {
  vec2 p = origin + vec2(gl_FragCoord.x, portHeight - gl_FragCoord.y) * stride;
  if (p.x < 0.0 || p.y < 0.0 || p.x > size.x || p.y > size.y) { color = vec4(0.0, 0.0, 0.0, 1.0); return; }
  p -= 0.5;
  ivec2 i = ivec2(floor(p)); vec2 f = p - vec2(i);
  float v = mix(mix(at(i), at(i + ivec2(1, 0)), f.x), mix(at(i + ivec2(0, 1)), at(i + ivec2(1, 1)), f.x), f.y);
  float t = clamp((v - center) / width + 0.5, 0.0, 1.0);
  color = vec4(vec3(mix(t, 1.0 - t, invert)), 1.0);
}`;

const UNIFORMS = ['image', 'size', 'origin', 'stride', 'portHeight', 'center', 'width', 'invert'] as const;
type Uniform = (typeof UNIFORMS)[number];

let imitation: boolean | undefined;

/** Asked of a canvas of its own, since one that was asked for WebGL never draws otherwise. */
function imitated(): boolean {
  if (imitation !== undefined) return imitation;
  const gl = document.createElement('canvas').getContext('webgl2', { failIfMajorPerformanceCaveat: true });
  const info = gl?.getExtension('WEBGL_debug_renderer_info');
  const renderer = gl ? String(gl.getParameter(info ? info.UNMASKED_RENDERER_WEBGL : gl.RENDERER)) : '';
  imitation = !gl || /swiftshader|llvmpipe|softpipe|software|basic render/i.test(renderer);
  gl?.getExtension('WEBGL_lose_context')?.loseContext();
  return imitation;
}

interface Ready {
  program: WebGLProgram;
  at: Record<Uniform, WebGLUniformLocation | null>;
}

export class GlPainter implements Painter {
  readonly name = 'webgl';
  reduced = false;
  private levels: Level[] = [];
  private textures: (WebGLTexture | null)[] = [];
  private ready: Ready;
  private last: [View, Size, Size] | null = null;
  private readonly restored = (): void => {
    const ready = build(this.gl);
    if (!ready) return;
    this.ready = ready;
    this.textures = [];
    if (this.last) this.paint(...this.last);
  };
  private readonly lost = (e: Event): void => e.preventDefault();

  /** Null without WebGL2, and, unless `always`, where a browser only imitates it by the processor: our own painter is then ten times faster. */
  static create(canvas: HTMLCanvasElement, always = false): GlPainter | null {
    if (!always && imitated()) return null;
    const gl = canvas.getContext('webgl2', { alpha: false, antialias: false, depth: false, stencil: false });
    const ready = gl && build(gl);
    return gl && ready ? new GlPainter(canvas, gl, ready) : null;
  }

  private constructor(
    private readonly canvas: HTMLCanvasElement,
    private readonly gl: WebGL2RenderingContext,
    ready: Ready,
  ) {
    this.ready = ready;
    canvas.addEventListener('webglcontextlost', this.lost);
    canvas.addEventListener('webglcontextrestored', this.restored);
  }

  setImage(levels: Level[], full: Size, skipped = 0): void {
    for (const t of this.textures) this.gl.deleteTexture(t);
    const limit = this.gl.getParameter(this.gl.MAX_TEXTURE_SIZE) as number;
    this.levels = levels.filter((l) => l.width <= limit && l.height <= limit);
    this.reduced = this.levels.length < levels.length;
    this.skipped = skipped + levels.length - this.levels.length;
    this.full = full;
    this.textures = [];
  }
  private full: Size | null = null;
  private skipped = 0;

  paint(view: View, port: Size, device: Size): void {
    const { gl, full } = this;
    this.last = [view, port, device];
    gl.viewport(0, 0, device.width, device.height);
    if (!full || this.levels.length === 0) {
      gl.clearColor(0, 0, 0, 1);
      gl.clear(gl.COLOR_BUFFER_BIT);
      return;
    }
    const ratio = device.width / Math.max(1, port.width);
    const scale = view.zoom * fitScale(full, port) * ratio; // device pixels an image pixel
    const index = Math.max(0, levelFor(scale, this.levels.length + this.skipped) - this.skipped);
    const level = this.levels[index]!;
    const kx = level.width / full.width;
    const { at, program } = this.ready;
    gl.useProgram(program);
    gl.activeTexture(gl.TEXTURE0);
    gl.bindTexture(gl.TEXTURE_2D, this.texture(index));
    gl.uniform1i(at.image, 0);
    gl.uniform2f(at.size, level.width, level.height);
    gl.uniform1f(at.stride, kx / scale);
    gl.uniform2f(at.origin, (view.x * full.width - device.width / 2 / scale) * kx, (view.y * full.height - device.height / 2 / scale) * kx);
    gl.uniform1f(at.portHeight, device.height);
    gl.uniform1f(at.center, view.window.center);
    gl.uniform1f(at.width, Math.max(1, view.window.width));
    gl.uniform1f(at.invert, view.invert ? 1 : 0);
    gl.drawArrays(gl.TRIANGLES, 0, 3);
  }

  private texture(index: number): WebGLTexture | null {
    const known = this.textures[index];
    if (known) return known;
    const { gl } = this;
    const level = this.levels[index]!;
    const texture = gl.createTexture();
    gl.bindTexture(gl.TEXTURE_2D, texture);
    gl.pixelStorei(gl.UNPACK_ALIGNMENT, 2);
    gl.texImage2D(gl.TEXTURE_2D, 0, gl.R16UI, level.width, level.height, 0, gl.RED_INTEGER, gl.UNSIGNED_SHORT, level.data);
    for (const [key, value] of [
      [gl.TEXTURE_MIN_FILTER, gl.NEAREST],
      [gl.TEXTURE_MAG_FILTER, gl.NEAREST],
      [gl.TEXTURE_WRAP_S, gl.CLAMP_TO_EDGE],
      [gl.TEXTURE_WRAP_T, gl.CLAMP_TO_EDGE],
    ] as const) {
      gl.texParameteri(gl.TEXTURE_2D, key, value);
    }
    this.textures[index] = texture;
    return texture;
  }

  dispose(): void {
    this.canvas.removeEventListener('webglcontextlost', this.lost);
    this.canvas.removeEventListener('webglcontextrestored', this.restored);
    for (const t of this.textures) this.gl.deleteTexture(t);
    this.gl.getExtension('WEBGL_lose_context')?.loseContext();
  }
}

function build(gl: WebGL2RenderingContext): Ready | null {
  const program = gl.createProgram();
  for (const [type, source] of [
    [gl.VERTEX_SHADER, VERTEX],
    [gl.FRAGMENT_SHADER, FRAGMENT],
  ] as const) {
    const shader = gl.createShader(type);
    if (!shader) return null;
    gl.shaderSource(shader, source);
    gl.compileShader(shader);
    gl.attachShader(program, shader);
  }
  gl.linkProgram(program);
  if (!gl.getProgramParameter(program, gl.LINK_STATUS)) return null;
  const at = Object.fromEntries(UNIFORMS.map((name) => [name, gl.getUniformLocation(program, name)])) as Ready['at'];
  return { program, at };
}
