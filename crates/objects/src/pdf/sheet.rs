//! Pages that fill from top to bottom: words, lines, bars, one picture.

use super::font::{self, Weight};
use hilum_image::Plane;
use hilum_image::draw::Rgb;
use miniz_oxide::deflate::compress_to_vec_zlib;
use pdf_writer::{Content, Filter, Finish, Name, Pdf, Rect, Ref, Str, TextStr};

/// Width and height of A4 in points.
const PAGE: (f32, f32) = (595.0, 842.0);
/// Free on all sides.
pub(super) const MARGIN: f32 = 48.0;
/// Lowest place of the text; the footer is below.
const LOWEST: f32 = 64.0;
const PLAIN: Name<'static> = Name(b"F1");
const BOLD: Name<'static> = Name(b"F2");
const PICTURE: Name<'static> = Name(b"Im1");

/// A colour, each part 0 to 1.
pub(super) type Colour = [f32; 3];
pub(super) const INK: Colour = [0.1, 0.12, 0.15];
pub(super) const QUIET: Colour = [0.42, 0.45, 0.5];

/// How words are set.
#[derive(Debug, Clone, Copy)]
pub(super) struct Style {
    pub weight: Weight,
    pub size: f32,
    pub colour: Colour,
}

impl Style {
    pub(super) const fn plain(size: f32) -> Self {
        Style {
            weight: Weight::Plain,
            size,
            colour: INK,
        }
    }

    pub(super) const fn bold(size: f32) -> Self {
        Style {
            weight: Weight::Bold,
            size,
            colour: INK,
        }
    }

    pub(super) const fn quiet(size: f32) -> Self {
        Style {
            weight: Weight::Plain,
            size,
            colour: QUIET,
        }
    }

    fn leading(self) -> f32 {
        self.size * 1.32
    }
}

/// The document under way.
pub(super) struct Sheet {
    pages: Vec<Content>,
    /// Baseline of the next line, from the bottom.
    pub(super) y: f32,
    picture: Option<Plane<Rgb>>,
    /// Some character could not be shown.
    pub(super) lost: bool,
}

impl Sheet {
    pub(super) fn new() -> Self {
        Sheet {
            pages: vec![Content::new()],
            y: PAGE.1 - MARGIN,
            picture: None,
            lost: false,
        }
    }

    /// Width between the margins.
    pub(super) fn width() -> f32 {
        PAGE.0 - 2.0 * MARGIN
    }

    fn page(&mut self) -> &mut Content {
        if self.pages.is_empty() {
            self.pages.push(Content::new());
        }
        let last = self.pages.len() - 1;
        &mut self.pages[last]
    }

    /// Goes to the next page where `height` does not fit any more; true when it did.
    pub(super) fn need(&mut self, height: f32) -> bool {
        let turn = self.y - height < LOWEST;
        if turn {
            self.pages.push(Content::new());
            self.y = PAGE.1 - MARGIN;
        }
        turn
    }

    /// Number of the page that is being filled.
    pub(super) fn number(&self) -> usize {
        self.pages.len()
    }

    fn show(&mut self, x: f32, y: f32, bytes: &[u8], style: Style) {
        let content = self.page();
        let [r, g, b] = style.colour;
        content.set_fill_rgb(r, g, b);
        content.begin_text();
        let name = match style.weight {
            Weight::Plain => PLAIN,
            Weight::Bold => BOLD,
        };
        content.set_font(name, style.size);
        content.next_line(x, y);
        content.show(Str(bytes));
        content.end_text();
    }

    /// Words at a place on the current line, cut to a width.
    pub(super) fn at(&mut self, x: f32, words: &str, style: Style, most: f32) {
        let (mut bytes, lost) = font::encode(words);
        self.lost |= lost;
        if font::width(&bytes, style.weight, style.size) > most {
            while !bytes.is_empty()
                && font::width(&bytes, style.weight, style.size) + style.size > most
            {
                bytes.pop();
            }
            bytes.push(0x85);
        }
        let y = self.y;
        self.show(x, y, &bytes, style);
    }

    /// Words broken into lines that fit `width`.
    fn lines(&mut self, words: &str, style: Style, width: f32) -> Vec<Vec<u8>> {
        let mut lines: Vec<Vec<u8>> = Vec::new();
        let mut line: Vec<u8> = Vec::new();
        for word in words.split_whitespace() {
            let (mut bytes, lost) = font::encode(word);
            self.lost |= lost;
            let mut longer = line.clone();
            if !longer.is_empty() {
                longer.push(b' ');
            }
            longer.extend(&bytes);
            if font::width(&longer, style.weight, style.size) <= width {
                line = longer;
                continue;
            }
            if !line.is_empty() {
                lines.push(std::mem::take(&mut line));
            }
            // A word that is wider than the column is broken where it must be.
            while font::width(&bytes, style.weight, style.size) > width && bytes.len() > 1 {
                let mut fits = bytes.len() - 1;
                while fits > 1 && font::width(&bytes[..fits], style.weight, style.size) > width {
                    fits -= 1;
                }
                let rest = bytes.split_off(fits);
                lines.push(std::mem::replace(&mut bytes, rest));
            }
            line = bytes;
        }
        if !line.is_empty() {
            lines.push(line);
        }
        lines
    }

    /// A paragraph in a column; goes on over pages.
    pub(super) fn paragraph(&mut self, x: f32, width: f32, words: &str, style: Style) {
        for line in self.lines(words, style, width) {
            self.need(style.leading());
            self.y -= style.leading();
            let y = self.y;
            self.show(x, y, &line, style);
        }
    }

    /// A heading with a rule below it, kept together with what follows.
    pub(super) fn heading(&mut self, words: &str) {
        self.need(56.0);
        self.y -= 24.0;
        self.at(MARGIN, words, Style::bold(11.0), Sheet::width());
        let y = self.y - 5.0;
        self.rule(y);
        self.y -= 7.0;
    }

    fn rule(&mut self, y: f32) {
        let content = self.page();
        content.set_stroke_rgb(0.75, 0.78, 0.82);
        content.set_line_width(0.6);
        content.move_to(MARGIN, y);
        content.line_to(PAGE.0 - MARGIN, y);
        content.stroke();
    }

    /// A filled box.
    pub(super) fn fill(&mut self, x: f32, y: f32, w: f32, h: f32, colour: Colour) {
        let content = self.page();
        let [r, g, b] = colour;
        content.set_fill_rgb(r, g, b);
        content.rect(x, y, w, h);
        content.fill_nonzero();
    }

    /// The picture, inside a box; gives the size it took.
    pub(super) fn picture(
        &mut self,
        picture: &Plane<Rgb>,
        x: f32,
        top: f32,
        most: (f32, f32),
    ) -> (f32, f32) {
        let (w, h) = (picture.width.max(1) as f32, picture.height.max(1) as f32);
        let scale = (most.0 / w).min(most.1 / h);
        let (w, h) = (w * scale, h * scale);
        let content = self.page();
        content.save_state();
        content.transform([w, 0.0, 0.0, h, x, top - h]);
        content.x_object(PICTURE);
        content.restore_state();
        self.picture = Some(picture.clone());
        (w, h)
    }

    /// The bytes of the document. Nothing in it comes from a clock.
    pub(super) fn finish(mut self, title: &str, footer: &str) -> Vec<u8> {
        self.footers(footer);
        let mut pdf = Pdf::new();
        let (catalog, tree, info) = (Ref::new(1), Ref::new(2), Ref::new(3));
        let (plain, bold, picture) = (Ref::new(4), Ref::new(5), Ref::new(6));
        let page = |n: usize| Ref::new(10 + 2 * i32::try_from(n).unwrap_or(0));
        let stream = |n: usize| Ref::new(11 + 2 * i32::try_from(n).unwrap_or(0));
        pdf.catalog(catalog).pages(tree).lang(TextStr("en"));
        let mut about = pdf.document_info(info);
        about.title(TextStr(title));
        about.producer(TextStr("Hilum"));
        about.finish();
        let count = self.pages.len();
        pdf.pages(tree)
            .kids((0..count).map(page))
            .count(i32::try_from(count).unwrap_or(1));
        for (font, name) in [(plain, "Helvetica"), (bold, "Helvetica-Bold")] {
            pdf.type1_font(font)
                .base_font(Name(name.as_bytes()))
                .encoding_predefined(Name(b"WinAnsiEncoding"));
        }
        for (n, content) in self.pages.into_iter().enumerate() {
            let mut sheet = pdf.page(page(n));
            sheet
                .parent(tree)
                .media_box(Rect::new(0.0, 0.0, PAGE.0, PAGE.1))
                .contents(stream(n));
            let mut resources = sheet.resources();
            resources.fonts().pair(PLAIN, plain).pair(BOLD, bold);
            if self.picture.is_some() {
                resources.x_objects().pair(PICTURE, picture);
            }
            resources.finish();
            sheet.finish();
            let packed = compress_to_vec_zlib(content.finish().as_slice(), 6);
            pdf.stream(stream(n), &packed).filter(Filter::FlateDecode);
        }
        if let Some(image) = &self.picture {
            let packed = compress_to_vec_zlib(image.data.as_flattened(), 6);
            let mut object = pdf.image_xobject(picture, &packed);
            object.filter(Filter::FlateDecode);
            object.width(i32::try_from(image.width).unwrap_or(1));
            object.height(i32::try_from(image.height).unwrap_or(1));
            object.color_space().device_rgb();
            object.bits_per_component(8);
        }
        pdf.finish()
    }

    fn footers(&mut self, footer: &str) {
        let count = self.pages.len();
        let (bytes, _) = font::encode(footer);
        let style = Style::quiet(7.5);
        for n in 0..count {
            let (number, _) = font::encode(&format!("{} / {count}", n + 1));
            let content = &mut self.pages[n];
            let [r, g, b] = style.colour;
            for (x, text) in [(MARGIN, &bytes), (PAGE.0 - MARGIN - 20.0, &number)] {
                content.set_fill_rgb(r, g, b);
                content.begin_text();
                content.set_font(PLAIN, style.size);
                content.next_line(x, 36.0);
                content.show(Str(text));
                content.end_text();
            }
        }
    }
}
