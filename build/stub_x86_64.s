# The first instructions of the self-extracting file: executes the unpacked program, or, where
# there is none that root unpacked or we are not root, a shell with the script that unpacks. Reads only the table
# that build/stub.ts writes behind it; writes only to the stack.
#   table: program, home, deno_dir, self_prefix, argv_list, env_list, shell_list, oci_root,
#          quick_commands, quick_table
# (addresses; a list is addresses up to a 0). The quick table has another deno_dir and argv_list, for
# command lines that begin with one of the quick commands, and for an OCI runtime.
# An OCI runtime's `start` and `delete` are first tried with the program that `create` left for them
# beside the container's state (src/runtime/oci_quick.ts): that takes a millisecond, a start of Deno
# twenty. Whatever is not as expected, and each failure of that program, takes the usual way.
        .intel_syntax noprefix
        .text
_start:
        mov     rbx, rsp                # argc, argv[0] …, 0, environment …, 0, auxv
        mov     r12, [rbx]
        lea     r15, [rip + table]
        lea     r13, [rbx + r12*8 + 16] # the environment
        mov     rdi, r13
1:      add     rdi, 8
        cmp     qword ptr [rdi - 8], 0
        jne     1b
        mov     r8, rdi                 # auxv
        mov     r14, [rbx + 8]          # the name we were called by, if auxv has no AT_EXECFN
2:      mov     rax, [rdi]
        test    rax, rax
        jz      3f
        cmp     rax, 31                 # AT_EXECFN
        cmove   r14, [rdi + 8]
        add     rdi, 16
        jmp     2b
3:      jmp     quick
usual:  call    is_runtime
        je      37f
        lea     r9, [rbx + 16]          # argv[1]
        mov     r10, [r15 + 64]         # quick_commands
34:     mov     rdi, [r10]
        test    rdi, rdi
        jz      35f
        add     r10, 8
        call    equal
        jne     34b
37:     mov     r15, [r15 + 72]         # quick_table
35:     mov     rdi, r14                # DIPLODOCK_SELF=<that name>
        xor     ecx, ecx
4:      inc     rcx
        cmp     byte ptr [rdi + rcx - 1], 0
        jne     4b                      # rcx: its length with the 0
        lea     rax, [rcx + 31]
        and     rax, -16
        sub     rsp, rax
        mov     rdi, rsp
        mov     rbp, rsp
        mov     rsi, [r15 + 24]         # self_prefix, 15 characters
        mov     rdx, rcx
        mov     ecx, 15
        rep     movsb
        mov     rsi, r14
        mov     rcx, rdx
        rep     movsb
        mov     rcx, r8                 # the new environment: ours first, as getenv() finds it
        sub     rcx, r13
        lea     rax, [rcx + 128]
        sub     rsp, rax
        mov     r9, rsp
        mov     rdi, rsp
        mov     rax, rbp
        stosq
        mov     rsi, [r15 + 40]         # env_list
5:      lodsq
        test    rax, rax
        jz      6f
        stosq
        jmp     5b
6:      mov     rbp, rdi
        mov     r10, rcx
        mov     eax, 21                 # access(home, W_OK): may V8's code be kept there?
        mov     rdi, [r15 + 8]
        mov     esi, 2
        syscall
        mov     rdi, rbp
        mov     r8d, eax
        test    eax, eax
        jnz     7f
        mov     rax, [r15 + 16]         # deno_dir
        stosq
7:      mov     rsi, r13
        mov     rcx, r10
        rep     movsb                   # the old environment with its 0
        test    r8d, r8d
        jnz     shell                   # it finds another place for that
        mov     rsi, [r15 + 32]         # argv_list
        mov     rdi, [r15]              # program
        xor     ebp, ebp
        call    execute
shell:  mov     rsi, [r15 + 48]         # shell_list: /bin/sh, sh, -c, script
        lodsq
        mov     rdi, rax
        mov     rbp, r14                # $0
        call    execute
        mov     edi, 127
        mov     eax, 60                 # exit
        syscall

# execve(rdi, the list at rsi + rbp unless 0 + our arguments, r9); returns when it fails.
execute:
        pop     r10                     # the stack below is for the arguments
        lea     rax, [r12*8 + 256]
        sub     rsp, rax
        mov     rdx, rdi
        mov     rdi, rsp
8:      lodsq
        test    rax, rax
        jz      9f
        stosq
        jmp     8b
9:      mov     rax, rbp
        test    rax, rax
        jz      10f
        stosq
10:     lea     rsi, [rbx + 16]         # argv[1]
11:     lodsq
        stosq
        test    rax, rax
        jnz     11b
        mov     rdi, rdx
        mov     rsi, rsp
        mov     rdx, r9
        mov     eax, 59                 # execve
        mov     rbp, r10
        syscall
        jmp     rbp

# Only r12 to r15, rbx and r8 are needed afterwards; [rbp - 8] keeps r8, [rbp - 16] the verb,
# [rbp - 24] the file's size, [rbp - 32] its descriptor.
quick:  mov     rbp, rsp
        push    r8
        sub     rsp, 24
        lea     r9, [rbx + 16]          # argv[1]
        call    is_runtime
        je      22f
        lea     rdi, [rip + oci_word]
        call    equal
        jne     give_up
        add     r9, 8
22:     mov     r10, [r15 + 56]         # oci_root
23:     lea     rdi, [rip + root_word]
        call    equal
        je      24f
        lea     rdi, [rip + log_word]
        call    equal
        je      25f
        lea     rdi, [rip + format_word]
        call    equal
        jne     26f
        jmp     25f
24:     mov     r10, [r9 + 8]
25:     cmp     qword ptr [r9 + 8], 0
        je      give_up
        add     r9, 16
        jmp     23b
26:     lea     rdi, [rip + start_word]
        mov     [rbp - 16], rdi
        call    equal
        je      27f
        lea     rdi, [rip + delete_word]
        mov     [rbp - 16], rdi
        call    equal
        jne     give_up
        add     r9, 8
        lea     rdi, [rip + force_word]
        call    equal
        jne     28f
27:     add     r9, 8
28:     mov     rdx, [r9]               # the id: the last word, and no option
        test    rdx, rdx
        jz      give_up
        cmp     qword ptr [r9 + 8], 0
        jne     give_up
        cmp     byte ptr [rdx], '-'
        je      give_up
        cmp     byte ptr [rdx], '.'
        je      give_up

        sub     rsp, 4608               # ROOT/ID/VERB, then room for struct stat
        mov     rdi, rsp
        mov     r11d, 4000
        mov     rsi, r10
        call    append
        mov     byte ptr [rdi], '/'
        inc     rdi
        mov     rsi, rdx
29:     lodsb
        cmp     al, '/'
        je      give_up
        stosb
        dec     r11d
        jz      give_up
        test    al, al
        jnz     29b
        mov     byte ptr [rdi - 1], '/'
        mov     rsi, [rbp - 16]
        call    append

        mov     rdi, -100               # openat(AT_FDCWD, path, O_NOFOLLOW | O_CLOEXEC)
        mov     rsi, rsp
        mov     edx, 0xa0000
        xor     r10d, r10d
        mov     eax, 257
        syscall
        test    eax, eax
        js      give_up
        mov     [rbp - 32], rax
        mov     edi, eax                # fstat: a file of ours that only we can write
        mov     rsi, rsp
        mov     eax, 5
        syscall
        test    eax, eax
        jnz     give_up
        mov     eax, 107                # geteuid
        syscall
        cmp     eax, [rsp + 28]
        jne     give_up
        mov     eax, [rsp + 24]
        and     eax, 0xf012             # its kind, and who else may write
        cmp     eax, 0x8000
        jne     give_up
        mov     rax, [rsp + 48]
        mov     [rbp - 24], rax
        mov     rdi, [rbp - 16]         # to memory: /run often allows no execution
        mov     esi, 1                  # MFD_CLOEXEC
        mov     eax, 319                # memfd_create
        syscall
        test    eax, eax
        js      give_up
        mov     edi, eax
        mov     rsi, [rbp - 32]
        mov     [rbp - 32], rax
        xor     edx, edx
        mov     r10, [rbp - 24]
        mov     eax, 40                 # sendfile
        syscall
        cmp     rax, [rbp - 24]
        jne     give_up
        mov     rax, [rbp - 16]
        mov     [rsp], rax              # argv: the verb; the environment: nothing
        mov     qword ptr [rsp + 8], 0
        mov     eax, 58                 # vfork
        syscall
        test    eax, eax
        js      give_up
        jnz     30f
        mov     rdi, [rbp - 32]         # execveat(memory, "", argv, environment, AT_EMPTY_PATH)
        lea     rsi, [rip + empty_word]
        mov     rdx, rsp
        lea     r10, [rsp + 8]
        mov     r8d, 0x1000
        mov     eax, 322
        syscall
        mov     edi, 1
        mov     eax, 60                 # exit
        syscall
30:     mov     edi, eax                # wait4
        lea     rsi, [rsp + 16]
        xor     edx, edx
        xor     r10d, r10d
        mov     eax, 61
        syscall
        test    eax, eax
        js      give_up
        cmp     dword ptr [rsp + 16], 0
        jne     give_up
        xor     edi, edi
        mov     eax, 231                # exit_group
        syscall

give_up:
        mov     r8, [rbp - 8]
        mov     rsp, rbp
        jmp     usual

# Whether the name we were called by ends in "-oci".
is_runtime:
        xor     eax, eax
20:     inc     rax
        cmp     byte ptr [r14 + rax - 1], 0
        jne     20b                     # rax: its length with the 0
        cmp     rax, 5
        jb      21f                     # not equal either
        cmp     dword ptr [r14 + rax - 5], 0x69636f2d
21:     ret

# Whether the text at [r9] is that at rdi; 0 there is no text.
equal:  mov     rsi, [r9]
        test    rsi, rsi
        jz      32f
        xor     ecx, ecx
31:     mov     al, [rsi + rcx]
        cmp     al, [rdi + rcx]
        jne     33f
        inc     rcx
        test    al, al
        jnz     31b
        ret
32:     inc     esi                     # not equal
33:     ret

# Copies the text at rsi to rdi without its 0; at most r11d bytes, then it gives up.
append: mov     al, [rsi]
        mov     [rdi], al
        test    al, al
        jz      36f
        inc     rsi
        inc     rdi
        dec     r11d
        jnz     append
        pop     rax
        jmp     give_up
36:     ret

oci_word:    .asciz "oci"
root_word:   .asciz "--root"
log_word:    .asciz "--log"
format_word: .asciz "--log-format"
start_word:  .asciz "start"
delete_word: .asciz "delete"
force_word:  .asciz "--force"
empty_word:  .asciz ""
        .balign 8
table:
