//! What a module has, as far as that decides how it is rewritten.

use std::collections::BTreeSet;

use wasmparser::{
    ConstExpr, ElementItems, ExternalKind, FuncToValidate, FuncType, FuncValidatorAllocations, FunctionBody,
    Operator, Parser, Payload, TypeRef, ValType, ValidPayload, Validator, ValidatorResources,
};

use super::{FEATURES, HOST, NOTE, ROOM, Refused, TICK};

#[derive(Default)]
pub(super) struct Survey {
    pub types: Vec<FuncType>,
    /// Of every function its type, those that are imported first.
    pub functions: Vec<u32>,
    pub imported: u32,
    pub globals: u32,
    /// The mutable globals among those that are not imported.
    pub mutable: Vec<u32>,
    pub has_memory: bool,
    /// Of every function that is not imported.
    pub bodies: Vec<Body>,
    /// The functions that a call through a table may mean.
    pub referenced: BTreeSet<u32>,
}

pub(super) struct Body {
    /// The functions that it calls, and the types of those that it calls through tables.
    pub direct: BTreeSet<u32>,
    pub indirect: BTreeSet<u32>,
    /// What it may take up of the stack, in bytes, roughly.
    pub frame: u32,
}

impl Survey {
    /// Of a valid module; any other is refused.
    pub(super) fn of(wasm: &[u8]) -> Result<Survey, Refused> {
        let mut survey = Survey::default();
        let mut validator = Validator::new_with_features(FEATURES);
        let mut parser = Parser::new(0);
        parser.set_features(FEATURES);
        let mut exported = BTreeSet::new();
        let mut shares_table = false;
        for payload in parser.parse_all(wasm) {
            let payload = payload?;
            if let ValidPayload::Func(to_validate, function) = validator.payload(&payload)? {
                survey.note_body(to_validate, &function)?;
                continue;
            }
            match payload {
                Payload::TypeSection(section) => {
                    survey.types = section.into_iter_err_on_gc_types().collect::<Result<_, _>>()?;
                }
                Payload::ImportSection(section) => {
                    for import in section.into_imports() {
                        let import = import?;
                        if import.module == HOST && [TICK, NOTE, ROOM].contains(&import.name) {
                            return Err(Refused(format!("`{HOST}.{}` is the host's own", import.name)));
                        }
                        match import.ty {
                            TypeRef::Func(ty) => survey.functions.push(ty),
                            TypeRef::Global(_) => survey.globals += 1,
                            TypeRef::Table(_) => shares_table = true,
                            TypeRef::Memory(_) => survey.has_memory = true,
                            _ => {}
                        }
                    }
                    survey.imported = survey.functions.len() as u32;
                }
                Payload::FunctionSection(section) => {
                    for ty in section {
                        survey.functions.push(ty?);
                    }
                }
                Payload::MemorySection(section) => survey.has_memory |= section.count() > 0,
                Payload::GlobalSection(section) => {
                    for global in section {
                        let global = global?;
                        if global.ty.mutable {
                            survey.mutable.push(survey.globals);
                        }
                        survey.globals += 1;
                        survey.note_references(&global.init_expr)?;
                    }
                }
                Payload::ExportSection(section) => {
                    for export in section {
                        let export = export?;
                        if export.name.strip_prefix(HOST).is_some_and(|rest| rest.starts_with('.')) {
                            return Err(Refused(format!("the export `{}` is the host's own", export.name)));
                        }
                        match export.kind {
                            ExternalKind::Func => _ = exported.insert(export.index),
                            ExternalKind::Table => shares_table = true,
                            _ => {}
                        }
                    }
                }
                Payload::ElementSection(section) => {
                    for element in section {
                        match element?.items {
                            ElementItems::Functions(functions) => {
                                for function in functions {
                                    survey.referenced.insert(function?);
                                }
                            }
                            ElementItems::Expressions(_, expressions) => {
                                for expression in expressions {
                                    survey.note_references(&expression?)?;
                                }
                            }
                        }
                    }
                }
                _ => {}
            }
        }
        // Whoever else has the table could put them there.
        if shares_table {
            survey.referenced.append(&mut exported);
        }
        Ok(survey)
    }

    /// The type of the function with this body, counted without those that are imported.
    pub(super) fn type_of_body(&self, body: usize) -> u32 {
        self.functions[self.imported as usize + body]
    }

    fn note_references(&mut self, expression: &ConstExpr<'_>) -> Result<(), Refused> {
        for operator in expression.get_operators_reader() {
            if let Operator::RefFunc { function_index } = operator? {
                self.referenced.insert(function_index);
            }
        }
        Ok(())
    }

    fn note_body(
        &mut self,
        to_validate: FuncToValidate<ValidatorResources>,
        function: &FunctionBody<'_>,
    ) -> Result<(), Refused> {
        let (mut direct, mut indirect) = (BTreeSet::new(), BTreeSet::new());
        let (mut operators, mut operands) = (0, 0);
        let mut validator = to_validate.into_validator(FuncValidatorAllocations::default());
        validator.read_locals(&mut function.get_binary_reader())?;
        let mut reader = function.get_operators_reader()?;
        while !reader.eof() {
            let (operator, offset) = reader.read_with_offset()?;
            validator.op(offset, &operator)?;
            operators += 1;
            operands = operands.max(validator.operand_stack_height());
            match operator {
                Operator::Call { function_index } => _ = direct.insert(function_index),
                Operator::CallIndirect { type_index, .. } => _ = indirect.insert(type_index),
                Operator::RefFunc { function_index } => _ = self.referenced.insert(function_index),
                _ => {}
            }
        }
        reader.finish()?;
        let ty = &self.types[self.type_of_body(self.bodies.len()) as usize];
        let mut locals: u32 = ty.params().iter().map(|param| bytes(*param)).sum();
        for group in function.get_locals_reader()? {
            let (count, ty) = group?;
            locals += count * bytes(ty);
        }
        self.bodies.push(Body { direct, indirect, frame: frame(locals, operands, operators) });
        Ok(())
    }
}

fn bytes(ty: ValType) -> u32 {
    if matches!(ty, ValType::V128 | ValType::Ref(_)) { 16 } else { 8 }
}

/// What is saved at a call, locals and operands, and what the compiler keeps besides: the more, the longer the function.
fn frame(locals: u32, operands: u32, operators: u32) -> u32 {
    64 + locals + 8 * operands + operators / 8
}
