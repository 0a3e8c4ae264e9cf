//! Parsing HTML into a tree of limited depth: the parser's time per element grows with the depth.

use html5ever::LocalName;
use html5ever::tendril::StrTendril;
use html5ever::tokenizer::{
    BufferQueue, Tag, TagKind, Token, TokenSink, TokenSinkResult, Tokenizer, TokenizerOpts,
};
use html5ever::tree_builder::{Tracer, TreeBuilder, TreeBuilderOpts, TreeSink};
use markup5ever_rcdom::{Handle, RcDom};
use std::cell::{Cell, RefCell};
use std::collections::HashMap;

/// While this many elements are open, further start tags are dropped. Their text is kept.
const MAX_DEPTH: usize = 400;

/// Parses a page.
pub fn parse(text: &str) -> RcDom {
    let builder = TreeBuilder::new(RcDom::default(), TreeBuilderOpts::default());
    let sink = DepthLimiter {
        builder,
        open: Cell::new(0),
        left_out: RefCell::new(HashMap::new()),
    };
    let tokenizer = Tokenizer::new(sink, TokenizerOpts::default());
    let input = BufferQueue::default();
    input.push_back(StrTendril::from(text));
    // The tokenizer returns after each script. Scripts are not run.
    while !input.is_empty() {
        let _script = tokenizer.feed(&input);
    }
    tokenizer.end();
    tokenizer.sink.builder.sink.finish()
}

/// Passes tokens on to the tree builder, except tags that would make the tree too deep.
struct DepthLimiter {
    builder: TreeBuilder<Handle, RcDom>,
    /// An upper bound on the number of open elements.
    open: Cell<usize>,
    /// Elements whose start tags were dropped, so that their end tags are dropped too.
    left_out: RefCell<HashMap<LocalName, usize>>,
}

impl DepthLimiter {
    fn leaves_out(&self, tag: &Tag) -> bool {
        match tag.kind {
            TagKind::StartTag => self.begins_too_deep(tag),
            TagKind::EndTag => {
                let mut left_out = self.left_out.borrow_mut();
                let Some(count) = left_out.get_mut(&tag.name).filter(|n| **n > 0) else {
                    return false;
                };
                *count -= 1;
                true
            }
        }
    }

    fn begins_too_deep(&self, tag: &Tag) -> bool {
        if self.open.get() >= MAX_DEPTH {
            let count = OpenElementCount(Cell::new(0));
            self.builder.trace_handles(&count);
            self.open.set(count.0.get());
        }
        if self.open.get() < MAX_DEPTH || keeps_raw_text(&tag.name) {
            self.open.set(self.open.get() + 1);
            return false;
        }
        let mut left_out = self.left_out.borrow_mut();
        *left_out.entry(tag.name.clone()).or_default() += 1;
        true
    }
}

/// Elements without child elements, whose content would become text without their tags.
fn keeps_raw_text(name: &LocalName) -> bool {
    matches!(
        name.as_ref(),
        "script" | "style" | "title" | "textarea" | "xmp" | "iframe" | "noembed" | "noframes"
    )
}

impl TokenSink for DepthLimiter {
    type Handle = Handle;

    fn process_token(&self, token: Token, line: u64) -> TokenSinkResult<Handle> {
        if let Token::TagToken(tag) = &token
            && self.leaves_out(tag)
        {
            return TokenSinkResult::Continue;
        }
        self.builder.process_token(token, line)
    }

    fn end(&self) {
        self.builder.end();
    }

    fn adjusted_current_node_present_but_not_in_html_namespace(&self) -> bool {
        self.builder
            .adjusted_current_node_present_but_not_in_html_namespace()
    }
}

/// Counts the elements that the builder holds open.
struct OpenElementCount(Cell<usize>);

impl Tracer for OpenElementCount {
    type Handle = Handle;

    fn trace_handle(&self, _node: &Handle) {
        self.0.set(self.0.get() + 1);
    }
}
