//! The sections of a module, with what is added to each; one that is missing is made.

use std::convert::Infallible;

use wasm_encoder::reencode::{Error, Reencode, utils};
use wasm_encoder::{
    BlockType, CodeSection, ConstExpr, EntityType, ExportKind, ExportSection, FunctionSection, GlobalSection,
    GlobalType, ImportSection, Module, SectionId, TypeSection, ValType,
};
use wasmparser::{
    CodeSectionReader, CustomSectionReader, ExportSectionReader, FunctionBody, FunctionSectionReader,
    GlobalSectionReader, ImportSectionReader, TypeSectionReader,
};

use super::body::{self, Counted};
use super::layout::{IMPORTS, Layout};
use super::survey::Survey;
use super::{DEPTH, FUEL, GLOBAL, HOST, NOTE, ROOM, TICK, calls, cost};

pub(super) struct Rewriter<'s> {
    pub(super) layout: Layout,
    survey: &'s Survey,
    counted: Vec<bool>,
    /// The number of the body that comes next.
    next: usize,
}

impl<'s> Rewriter<'s> {
    pub(super) fn new(survey: &'s Survey) -> Rewriter<'s> {
        let counted = calls::counted(survey);
        Rewriter { layout: Layout::of(survey, &counted), survey, counted, next: 0 }
    }

    fn add_types(&mut self, types: &mut TypeSection) -> Result<(), Error> {
        types.ty().function([ValType::I64], [ValType::I64]);
        types.ty().function([ValType::I32], []);
        types.ty().function([ValType::I32; 2], [ValType::I32]);
        types.ty().function([], []);
        types.ty().function([ValType::I32], [ValType::I32]);
        // In the order in which the layout numbered them.
        let mut blocks: Vec<(u32, u32)> =
            self.layout.types.blocks.iter().map(|(of, ty)| (*ty, *of)).collect();
        blocks.sort_unstable();
        for (_, of) in blocks {
            let results = self.val_types(self.survey.types[of as usize].results().to_vec())?;
            types.ty().function([], results);
        }
        Ok(())
    }

    fn add_imports(&self, imports: &mut ImportSection) {
        imports.import(HOST, TICK, EntityType::Function(self.layout.types.tick));
        imports.import(HOST, NOTE, EntityType::Function(self.layout.types.note));
        imports.import(HOST, ROOM, EntityType::Function(self.layout.types.room));
    }

    fn add_functions(&self, functions: &mut FunctionSection) {
        let types = &self.layout.types;
        functions.function(types.refill);
        (0..3).for_each(|_| _ = functions.function(types.length));
    }

    fn add_globals(&self, globals: &mut GlobalSection) {
        let mutable = |val_type| GlobalType { val_type, mutable: true, shared: false };
        globals.global(mutable(ValType::I64), &ConstExpr::i64_const(0));
        globals.global(mutable(ValType::I32), &ConstExpr::i32_const(0));
    }

    /// Everything that a call may change outside memory is made reachable.
    fn add_exports(&self, exports: &mut ExportSection) {
        exports.export(FUEL, ExportKind::Global, self.layout.fuel);
        exports.export(DEPTH, ExportKind::Global, self.layout.depth);
        for (number, global) in self.survey.mutable.iter().enumerate() {
            exports.export(&format!("{GLOBAL}{number}"), ExportKind::Global, *global);
        }
    }

    fn add_code(&self, code: &mut CodeSection) {
        code.function(&body::refill(&self.layout));
        code.function(&body::by_length(&self.layout, cost::BYTES_BITS));
        code.function(&body::by_length(&self.layout, 0));
        code.function(&body::grow(&self.layout, self.survey.has_memory));
    }

    /// The sections that something is added to, where the module has none of its own.
    fn make(&mut self, section: SectionId, module: &mut Module) -> Result<(), Error> {
        match section {
            SectionId::Type => {
                let mut types = TypeSection::new();
                self.add_types(&mut types)?;
                module.section(&types);
            }
            SectionId::Import => {
                let mut imports = ImportSection::new();
                self.add_imports(&mut imports);
                module.section(&imports);
            }
            SectionId::Function => {
                let mut functions = FunctionSection::new();
                self.add_functions(&mut functions);
                module.section(&functions);
            }
            SectionId::Global => {
                let mut globals = GlobalSection::new();
                self.add_globals(&mut globals);
                module.section(&globals);
            }
            SectionId::Export => {
                let mut exports = ExportSection::new();
                self.add_exports(&mut exports);
                module.section(&exports);
            }
            SectionId::Code => {
                let mut code = CodeSection::new();
                self.add_code(&mut code);
                module.section(&code);
            }
            _ => {}
        }
        Ok(())
    }
}

/// The order of sections in a module.
const ORDER: [SectionId; 12] = [
    SectionId::Type,
    SectionId::Import,
    SectionId::Function,
    SectionId::Table,
    SectionId::Memory,
    SectionId::Global,
    SectionId::Export,
    SectionId::Start,
    SectionId::Element,
    SectionId::DataCount,
    SectionId::Code,
    SectionId::Data,
];

fn place(section: SectionId) -> usize {
    ORDER.iter().position(|each| *each == section).expect("WebAssembly 2.0 has no other")
}

impl Reencode for Rewriter<'_> {
    type Error = Infallible;

    fn function_index(&mut self, function: u32) -> Result<u32, Error> {
        Ok(if function < self.survey.imported { function } else { function + IMPORTS })
    }

    fn intersperse_section_hook(
        &mut self,
        module: &mut Module,
        after: Option<SectionId>,
        before: Option<SectionId>,
    ) -> Result<(), Error> {
        let missing = after.map_or(0, |section| place(section) + 1)..before.map_or(ORDER.len(), place);
        ORDER[missing].iter().try_for_each(|section| self.make(*section, module))
    }

    /// None is kept: what they say of the code holds no more, and nobody reads the names.
    fn parse_custom_section(&mut self, _: &mut Module, _: CustomSectionReader<'_>) -> Result<(), Error> {
        Ok(())
    }

    fn parse_type_section(
        &mut self,
        types: &mut TypeSection,
        own: TypeSectionReader<'_>,
    ) -> Result<(), Error> {
        utils::parse_type_section(self, types, own)?;
        self.add_types(types)
    }

    fn parse_import_section(
        &mut self,
        imports: &mut ImportSection,
        own: ImportSectionReader<'_>,
    ) -> Result<(), Error> {
        utils::parse_import_section(self, imports, own)?;
        self.add_imports(imports);
        Ok(())
    }

    fn parse_function_section(
        &mut self,
        functions: &mut FunctionSection,
        own: FunctionSectionReader<'_>,
    ) -> Result<(), Error> {
        utils::parse_function_section(self, functions, own)?;
        self.add_functions(functions);
        Ok(())
    }

    fn parse_global_section(
        &mut self,
        globals: &mut GlobalSection,
        own: GlobalSectionReader<'_>,
    ) -> Result<(), Error> {
        utils::parse_global_section(self, globals, own)?;
        self.add_globals(globals);
        Ok(())
    }

    fn parse_export_section(
        &mut self,
        exports: &mut ExportSection,
        own: ExportSectionReader<'_>,
    ) -> Result<(), Error> {
        utils::parse_export_section(self, exports, own)?;
        self.add_exports(exports);
        Ok(())
    }

    fn parse_code_section(
        &mut self,
        code: &mut CodeSection,
        own: CodeSectionReader<'_>,
    ) -> Result<(), Error> {
        utils::parse_code_section(self, code, own)?;
        self.add_code(code);
        Ok(())
    }

    fn parse_function_body(&mut self, code: &mut CodeSection, own: FunctionBody<'_>) -> Result<(), Error> {
        let number = self.next;
        self.next += 1;
        let counted = if self.counted[number] {
            let ty = self.survey.type_of_body(number);
            let block = match self.survey.types[ty as usize].results() {
                [] => BlockType::Empty,
                [result] => BlockType::Result(self.val_type(*result)?),
                _ => BlockType::FunctionType(self.layout.types.blocks[&ty]),
            };
            Some(Counted { block, frame: self.survey.bodies[number].frame })
        } else {
            None
        };
        code.function(&body::rewrite(self, &own, counted)?);
        Ok(())
    }
}
