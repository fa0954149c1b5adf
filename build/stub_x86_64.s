# The first instructions of the self-extracting file: executes the unpacked program, or, where
# there is none that root unpacked or we are not root, a shell with the script that unpacks. Reads only the table
# that build/stub.ts writes behind it; writes only to the stack.
#   table: program, home, deno_dir, self_prefix, argv_list, env_list, shell_list, oci_root,
#          quick_commands, data_root, run_root, quick_table
# (addresses; a list is addresses up to a 0). The quick table has another deno_dir and argv_list, for
# command lines that begin with one of the quick commands, and for an OCI runtime.
# An OCI runtime's `start` and `delete` are first tried with the program that `create` left for them
# beside the container's state (src/runtime/oci_quick.ts): that takes a millisecond, a start of Deno
# twenty. So is an `exec` without options but -i, with the program that an earlier one left
# (src/runtime/quick_exec.ts). Whatever is not as expected, and each failure before a command was
# started, takes the usual way.
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
37:     mov     r15, [r15 + 88]         # quick_table
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

# Only r12 to r15, rbx and r8 are needed afterwards. What is kept below rbp: 8 r8, 16 the verb or
# whether there was -i, 24 the program's size, 32 its descriptor; for exec 40 the command's words,
# 48 a pipe, 56 the old signal mask, 64 the address of the parameters, 72 their place in the file, 80
# the length of the container's name.
quick:  mov     rbp, rsp
        push    r8
        sub     rsp, 72
        lea     r9, [rbx + 16]          # argv[1]
        call    is_runtime
        je      22f
        lea     rdi, [rip + exec_word]
        call    equal
        je      exec
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
        call    name
        cmp     qword ptr [r9 + 8], 0
        jne     give_up
        sub     rsp, 4608               # ROOT/ID/VERB, then room for struct stat
        mov     rdi, rsp
        mov     r11d, 4000
        mov     rsi, r10
        call    append
        mov     rsi, rdx
        call    component
        mov     rsi, [rbp - 16]
        call    component
        mov     rsi, rsp
        mov     rdx, [rbp - 16]
        call    load
        mov     rax, [rbp - 16]
        mov     [rsp], rax              # argv: the verb; the environment: nothing
        mov     qword ptr [rsp + 8], 0
        mov     eax, 58                 # vfork
        syscall
        test    eax, eax
        js      give_up
        jz      become
        mov     edi, eax                # wait4
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
        jmp     end

# exec [-i] CONTAINER COMMAND [ARG...]
exec:   add     r9, 8
        lea     rdi, [rip + i_word]
        call    equal
        sete    al
        movzx   eax, al
        mov     [rbp - 16], rax
        lea     r9, [r9 + rax*8]
        mov     rdx, [r9]
        call    name
        add     r9, 8
        mov     [rbp - 40], r9
        mov     rax, [r9]
        test    rax, rax
        jz      give_up
        cmp     byte ptr [rax], '-'
        je      give_up
        cmp     byte ptr [rax], 0
        je      give_up
        sub     rsp, 4736               # a path, then room for struct stat; an id
        xor     ecx, ecx
40:     inc     ecx
        cmp     byte ptr [rdx + rcx], 0
        jne     40b
        mov     [rbp - 80], rcx
        cmp     ecx, 64                 # the length of an id
        je      41f
        lea     rdi, [rip + data_variable]
        mov     r10, [r15 + 72]         # data_root
        call    place
        lea     rsi, [rip + names_word]
        call    component
        mov     rsi, rdx
        call    component
        mov     rdi, rsp                # readlink
        lea     rsi, [rsp + 4608]
        mov     edx, 65
        mov     eax, 89
        syscall
        cmp     eax, 64
        jne     shortened
        lea     rdx, [rsp + 4608]
        mov     byte ptr [rdx + 64], 0
41:     lea     rdi, [rip + run_variable]
        mov     r10, [r15 + 80]         # run_root
        call    place
        lea     rsi, [rip + containers_word]
        call    component
        mov     rsi, rdx
        call    component
        lea     rsi, [rip + exec_word]
        call    component
        mov     rsi, rsp
        lea     rdx, [rip + exec_name]
        call    load

        mov     r10, [rbp - 24]         # pread64: what the program's last bytes say
        sub     r10, 24
        mov     edi, [rbp - 32]
        mov     rsi, rsp
        mov     edx, 24
        mov     eax, 17
        syscall
        cmp     eax, 24
        jne     give_up
        mov     rax, [rsp]
        cmp     rax, [rip + edition]
        jne     give_up
        mov     rax, [rsp + 8]
        mov     [rbp - 64], rax
        mov     rax, [rsp + 16]
        mov     [rbp - 72], rax
        lea     rdi, [rbp - 48]         # pipe2: tells whether the command was started
        mov     esi, 0x80800            # O_CLOEXEC | O_NONBLOCK
        mov     eax, 293
        syscall
        test    eax, eax
        js      give_up

# The parameters: -i, whether the command is a path, the length of all words, the pipe, the length of
# the command's word, the words' addresses up to a 0, the words.
        sub     rsp, 8192
        mov     rax, [rbp - 16]
        mov     [rsp], rax
        mov     qword ptr [rsp + 8], 0
        mov     eax, [rbp - 44]
        mov     [rsp + 24], rax
        mov     r9, [rbp - 40]
        xor     ecx, ecx
42:     inc     ecx
        cmp     qword ptr [r9 + rcx*8], 0
        jne     42b                     # rcx: how many words
        cmp     ecx, 1000
        ja      give_up
        lea     rdi, [rsp + rcx*8 + 48] # behind the 0
        mov     qword ptr [rdi - 8], 0
        mov     rdx, rdi                # the first word
        lea     r10, [rsp + 40]
        lea     r11, [rsp + 8192]
43:     mov     rsi, [r9]
        test    rsi, rsi
        jz      46f
        add     r9, 8
        mov     rax, rdi
        sub     rax, rsp
        add     rax, [rbp - 64]
        mov     [r10], rax
        add     r10, 8
44:     cmp     rdi, r11
        je      give_up
        lodsb
        stosb
        test    al, al
        jnz     44b
        jmp     43b
46:     mov     rax, rdi
        sub     rax, rdx
        mov     [rsp + 16], rax
        xor     ecx, ecx
47:     mov     al, [rdx + rcx]
        inc     ecx
        cmp     al, '/'
        jne     48f
        mov     qword ptr [rsp + 8], 1
48:     test    al, al
        jnz     47b
        mov     [rsp + 32], rcx         # with its 0
        mov     rdx, rdi                # pwrite64
        sub     rdx, rsp
        mov     edi, [rbp - 32]
        mov     rsi, rsp
        mov     r10, [rbp - 72]
        mov     eax, 18
        syscall
        cmp     rax, rdx
        jne     give_up
        mov     edi, [rbp - 32]         # fcntl(F_ADD_SEALS): nobody changes it any more
        mov     esi, 1033
        mov     edx, 15
        mov     eax, 72
        syscall
        test    eax, eax
        js      give_up

        mov     edi, 17                 # rt_sigaction(SIGCHLD): are ended children kept for us?
        xor     esi, esi
        mov     rdx, rsp
        mov     r10d, 8
        mov     eax, 13
        syscall
        test    eax, eax
        js      give_up
        cmp     qword ptr [rsp], 1      # SIG_IGN
        je      give_up
        test    byte ptr [rsp + 8], 2   # SA_NOCLDWAIT
        jnz     give_up
        xor     edi, edi                # rt_sigprocmask(SIG_BLOCK)
        lea     rsi, [rip + passed]
        lea     rdx, [rbp - 56]
        mov     r10d, 8
        mov     eax, 14
        syscall
        lea     rax, [rip + exec_name]
        mov     [rsp], rax
        mov     qword ptr [rsp + 8], 0
        mov     eax, 58                 # vfork
        syscall
        test    eax, eax
        js      51f
        jz      52f
        mov     [rbp - 40], rax
        mov     edi, [rbp - 44]
        mov     eax, 3                  # close
        syscall
49:     lea     rdi, [rip + passed]     # rt_sigtimedwait
        xor     esi, esi
        xor     edx, edx
        mov     r10d, 8
        mov     eax, 128
        syscall
        test    eax, eax
        js      49b
        mov     rdi, [rbp - 40]
        cmp     eax, 17                 # SIGCHLD
        je      50f
        mov     esi, eax
        mov     eax, 62                 # kill
        syscall
        jmp     49b
50:     lea     rsi, [rsp + 16]         # wait4
        mov     edx, 1                  # WNOHANG
        xor     r10d, r10d
        mov     eax, 61
        syscall
        test    eax, eax
        jz      49b
        mov     edi, [rbp - 48]         # one byte: started; two: that came to nothing
        mov     rsi, rsp
        mov     edx, 2
        xor     eax, eax                # read
        syscall
        cmp     eax, 1
        jne     51f
        movzx   edi, byte ptr [rsp + 17]
        mov     eax, [rsp + 16]
        and     eax, 127
        jz      end
        lea     edi, [rax + 128]
end:    mov     eax, 231                # exit_group
        syscall
51:     mov     edi, 2                  # rt_sigprocmask(SIG_SETMASK)
        lea     rsi, [rbp - 56]
        xor     edx, edx
        mov     r10d, 8
        mov     eax, 14
        syscall
        jmp     give_up
52:     mov     edi, [rbp - 44]         # the child: fcntl(F_SETFD, 0)
        mov     esi, 2
        xor     edx, edx
        mov     eax, 72
        syscall

# Executes the program at rbp - 32, argv at rsp, without an environment.
become: mov     edi, [rbp - 32]         # execveat(memory, "", argv, environment, AT_EMPTY_PATH)
        lea     rsi, [rip + empty_word]
        mov     rdx, rsp
        lea     r10, [rsp + 8]
        mov     r8d, 0x1000
        mov     eax, 322
        syscall
        mov     edi, 1
        mov     eax, 60                 # exit
        syscall

# The name may be how an id begins, as ps prints it: of a container that runs, and of one only.
shortened:
        cmp     qword ptr [rbp - 80], 12
        jne     give_up
        mov     rdx, [rbp - 40]
        mov     rdx, [rdx - 8]          # the word before the command
        lea     rdi, [rip + run_variable]
        mov     r10, [r15 + 80]         # run_root
        call    place
        lea     rsi, [rip + containers_word]
        call    component
        mov     rdi, -100               # openat(AT_FDCWD, path, O_DIRECTORY | O_CLOEXEC)
        mov     rsi, rsp
        push    rdx
        mov     edx, 0x90000
        mov     eax, 257
        syscall
        pop     rdx
        test    eax, eax
        js      give_up
        mov     r9, rax
        lea     r10, [rsp + 4608]       # the id: none yet
        mov     byte ptr [r10], 0
        sub     rsp, 4096
58:     mov     edi, r9d                # getdents64
        mov     rsi, rsp
        push    rdx
        mov     edx, 4096
        mov     eax, 217
        syscall
        pop     rdx
        test    eax, eax
        js      give_up
        jz      61f
        lea     r8, [rsp + rax]
        mov     rsi, rsp
59:     cmp     rsi, r8
        jae     58b
        movzx   eax, word ptr [rsi + 16] # the entry's length; its name begins at 19
        mov     rcx, [rsi + 19]
        cmp     rcx, [rdx]
        jne     60f
        mov     ecx, [rsi + 27]
        cmp     ecx, [rdx + 8]
        jne     60f
        cmp     byte ptr [r10], 0
        jne     give_up
        mov     r11, rsi
        add     rsi, 19
        mov     rdi, r10
        mov     ecx, 64
        rep     movsb
        mov     rsi, r11
60:     add     rsi, rax
        jmp     59b
61:     add     rsp, 4096
        mov     rdx, r10
        mov     byte ptr [rdx + 64], 0
        cmp     byte ptr [rdx], 0
        jne     41b
        jmp     give_up

give_up:
        mov     r8, [rbp - 8]
        mov     rsp, rbp
        jmp     usual

# Whether the text at rdx is there and no option, and not hidden.
name:   test    rdx, rdx
        jz      give_up
        cmp     byte ptr [rdx], '-'
        jbe     give_up                 # 0 as well
        cmp     byte ptr [rdx], '.'
        je      give_up
        ret

# Takes the program at the path at rsi to memory, for /run often allows no execution; rdx: its name.
# It is a file of ours that only we can write. The path's memory is used for struct stat.
load:   push    rdx
        push    rsi
        mov     rdi, -100               # openat(AT_FDCWD, path, O_NOFOLLOW | O_CLOEXEC)
        mov     edx, 0xa0000
        xor     r10d, r10d
        mov     eax, 257
        syscall
        test    eax, eax
        js      give_up
        mov     [rbp - 32], rax
        pop     rsi
        mov     edi, eax                # fstat
        mov     eax, 5
        syscall
        test    eax, eax
        jnz     give_up
        mov     eax, 107                # geteuid
        syscall
        cmp     eax, [rsi + 28]
        jne     give_up
        mov     eax, [rsi + 24]
        and     eax, 0xf012             # its kind, and who else may write
        cmp     eax, 0x8000
        jne     give_up
        mov     rax, [rsi + 48]
        mov     [rbp - 24], rax
        pop     rdi
        mov     esi, 3                  # MFD_CLOEXEC | MFD_ALLOW_SEALING
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
        ret

# The value of the variable whose name with its = is at rdi, else the text at r10, to the memory
# behind the return address, if it is an absolute path; rdi: behind it, r11d: the room that is left.
place:  mov     r9, r13
53:     mov     rsi, [r9]
        add     r9, 8
        test    rsi, rsi
        jz      55f
        xor     ecx, ecx
54:     mov     al, [rdi + rcx]
        test    al, al
        jz      56f
        cmp     al, [rsi + rcx]
        jne     53b
        inc     ecx
        jmp     54b
55:     mov     rsi, r10
        xor     ecx, ecx
56:     add     rsi, rcx
        lea     rdi, [rsp + 8]
        mov     r11d, 4000
        cmp     byte ptr [rsi], '/'
        jne     give_up
        jmp     append

# A slash and the text at rsi, which must have none, to rdi.
component:
        mov     byte ptr [rdi], '/'
        inc     rdi
57:     mov     al, [rsi]
        cmp     al, '/'
        je      give_up
        mov     [rdi], al
        test    al, al
        jz      36f
        inc     rsi
        inc     rdi
        dec     r11d
        jnz     57b
        jmp     give_up

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

# Copies the text at rsi to rdi with its 0, where rdi is afterwards; at most r11d bytes.
append: mov     al, [rsi]
        mov     [rdi], al
        test    al, al
        jz      36f
        inc     rsi
        inc     rdi
        dec     r11d
        jnz     append
        jmp     give_up
36:     ret

exec_word:   .asciz "exec"
i_word:      .asciz "-i"
exec_name:   .asciz "diplodock-exec"
names_word:  .asciz "names"
containers_word: .asciz "containers"
data_variable:   .asciz "DIPLODOCK_ROOT="
run_variable:    .asciz "DIPLODOCK_RUN="
oci_word:    .asciz "oci"
root_word:   .asciz "--root"
log_word:    .asciz "--log"
format_word: .asciz "--log-format"
start_word:  .asciz "start"
delete_word: .asciz "delete"
force_word:  .asciz "--force"
empty_word:  .asciz ""
        .balign 8
edition:     .ascii "ddexec01"
passed:      .quad 0x14a07              # HUP INT QUIT USR1 USR2 TERM CHLD
table:
