//! The functions of preview 1 with their types, as its specification has them.

use wasmparser::ValType;

macro_rules! functions {
    ($($name:ident($($parameter:ident),*))*) => {
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        #[expect(non_camel_case_types, reason = "written as preview 1 does")]
        pub(in crate::function) enum Function { $($name),* }

        impl Function {
            pub(in crate::function) const ALL: &[Function] = &[$(Function::$name),*];

            pub(in crate::function) fn name(self) -> &'static str {
                match self { $(Function::$name => stringify!($name)),* }
            }

            pub(in crate::function) fn parameters(self) -> &'static [ValType] {
                match self { $(Function::$name => &[$(ValType::$parameter),*]),* }
            }
        }
    };
}

functions! {
    args_get(I32, I32)
    args_sizes_get(I32, I32)
    clock_res_get(I32, I32)
    clock_time_get(I32, I64, I32)
    environ_get(I32, I32)
    environ_sizes_get(I32, I32)
    fd_advise(I32, I64, I64, I32)
    fd_allocate(I32, I64, I64)
    fd_close(I32)
    fd_datasync(I32)
    fd_fdstat_get(I32, I32)
    fd_fdstat_set_flags(I32, I32)
    fd_fdstat_set_rights(I32, I64, I64)
    fd_filestat_get(I32, I32)
    fd_filestat_set_size(I32, I64)
    fd_filestat_set_times(I32, I64, I64, I32)
    fd_pread(I32, I32, I32, I64, I32)
    fd_prestat_dir_name(I32, I32, I32)
    fd_prestat_get(I32, I32)
    fd_pwrite(I32, I32, I32, I64, I32)
    fd_read(I32, I32, I32, I32)
    fd_readdir(I32, I32, I32, I64, I32)
    fd_renumber(I32, I32)
    fd_seek(I32, I64, I32, I32)
    fd_sync(I32)
    fd_tell(I32, I32)
    fd_write(I32, I32, I32, I32)
    path_create_directory(I32, I32, I32)
    path_filestat_get(I32, I32, I32, I32, I32)
    path_filestat_set_times(I32, I32, I32, I32, I64, I64, I32)
    path_link(I32, I32, I32, I32, I32, I32, I32)
    path_open(I32, I32, I32, I32, I32, I64, I64, I32, I32)
    path_readlink(I32, I32, I32, I32, I32, I32)
    path_remove_directory(I32, I32, I32)
    path_rename(I32, I32, I32, I32, I32, I32)
    path_symlink(I32, I32, I32, I32, I32)
    path_unlink_file(I32, I32, I32)
    poll_oneoff(I32, I32, I32, I32)
    proc_exit(I32)
    proc_raise(I32)
    random_get(I32, I32)
    sched_yield()
    sock_accept(I32, I32, I32)
    sock_recv(I32, I32, I32, I32, I32, I32)
    sock_send(I32, I32, I32, I32, I32)
    sock_shutdown(I32, I32)
}

impl Function {
    /// The longest list of parameters.
    pub(in crate::function) const PARAMETERS: usize = 9;

    /// All answer an errno but the one that does not return.
    pub(in crate::function) fn results(self) -> &'static [ValType] {
        if self == Function::proc_exit { &[] } else { &[ValType::I32] }
    }

    pub(in crate::function) fn named(name: &str) -> Option<Function> {
        Function::ALL.iter().copied().find(|function| function.name() == name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_is_found_by_its_name_and_none_has_more_parameters_than_there_is_room_for() {
        for function in Function::ALL {
            assert_eq!(Function::named(function.name()), Some(*function));
            assert!(function.parameters().len() <= Function::PARAMETERS);
        }
        assert_eq!(Function::ALL.len(), 46);
        assert_eq!(Function::named("sock_open"), None);
    }
}
